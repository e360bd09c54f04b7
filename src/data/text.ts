// What counts as text: UTF-8 without NUL bytes.
import { isUtf8 } from 'node:buffer';

/** Thrown where a file turns out not to be text; whoever reads it knows whether it is left out or refused. */
export class NotText extends Error {}

export const notTextFix = 'convert it to UTF-8 or leave it out';

/** Why this is no text, or undefined. */
export function textProblem(bytes: Uint8Array): string | undefined {
  if (!isUtf8(bytes)) return 'it is not UTF-8 text';
  return bytes.includes(0) ? 'it is not UTF-8 text: it holds NUL bytes' : undefined;
}

/** @throws NotText */
export function checkText(bytes: Uint8Array): void {
  const problem = textProblem(bytes);
  if (problem !== undefined) throw new NotText(problem);
}

/** Up to where `bytes` of a text can be cut without cutting a character: before the last one, which may be incomplete. */
export function wholeCharacters(bytes: Uint8Array): number {
  const end = bytes.length;
  // Bytes 10xxxxxx continue a character, at most three of them.
  for (let i = end - 1; i > Math.max(0, end - 4); i -= 1) {
    if ((bytes[i]! & 0xc0) !== 0x80) return i;
  }
  return end;
}
