// What counts as text: UTF-8 without NUL bytes.
import { isUtf8 } from 'node:buffer';

/** Thrown where a file turns out not to be text; whoever reads it knows whether it is left out or refused. */
export class NotText extends Error {}

/** @throws NotText */
export function checkText(bytes: Uint8Array): void {
  if (!isUtf8(bytes)) throw new NotText('it is not UTF-8 text');
  checkNoNul(bytes);
}

/** @throws NotText. Also for bytes that may end inside a character. */
export function checkNoNul(bytes: Uint8Array): void {
  if (bytes.includes(0)) throw new NotText('it is not UTF-8 text: it holds NUL bytes');
}

/** Whether all of this is text. */
export const isText = (bytes: Uint8Array): boolean => !bytes.includes(0) && isUtf8(bytes);

/** Whether a text can begin with these bytes; they may end inside a character. */
export const startsAsText = (bytes: Uint8Array): boolean => isText(bytes.subarray(0, wholeCharacters(bytes)));

/** Up to where `bytes` of a text can be cut without cutting a character: before the last one, which may be incomplete. */
export function wholeCharacters(bytes: Uint8Array): number {
  const end = bytes.length;
  // Bytes 10xxxxxx continue a character, at most three of them.
  for (let i = end - 1; i > Math.max(0, end - 4); i -= 1) {
    if ((bytes[i]! & 0xc0) !== 0x80) return i;
  }
  return end;
}
