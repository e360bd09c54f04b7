// Colour for terminals: whether a stream wants it, and the few styles used.

/** Colour only on a terminal, and only if NO_COLOR is unset or empty (no-color.org). */
export function wantsColour(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  return stream.isTTY === true && !environment.NO_COLOR;
}

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const;
export type Style = keyof typeof codes;

/** The text in this style (ANSI), or unchanged without colour. */
export const paint = (text: string, style: Style, colour: boolean): string =>
  colour ? `\x1b[${codes[style]}m${text}\x1b[0m` : text;
