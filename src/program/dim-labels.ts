// The labels of an op's dims, read from text such as `b s! h d!, b s! h~ d! -> b s h d` (see `Typing`).

export interface Label {
  readonly name: string;
  /** `!`: the op needs this dim whole. */
  readonly whole: boolean;
  /** `~`: its parts may overlap where the label's other dims are slices. */
  readonly own: boolean;
}

export interface Dims {
  readonly operands: readonly (readonly Label[])[];
  readonly results: readonly (readonly Label[])[];
}

const parsed = new Map<string, Dims>();

export function parseDims(text: string): Dims {
  const known = parsed.get(text);
  if (known) return known;
  const side = (part: string): Label[][] =>
    part.split(',').map((tensor) =>
      tensor
        .trim()
        .split(/\s+/)
        .filter((word) => word !== '')
        .map((word) => ({ name: word.replace(/[!~]/, ''), whole: word.endsWith('!'), own: word.endsWith('~') })),
    );
  const [left = '', right = ''] = text.split('->');
  const dims = { operands: side(left), results: side(right) };
  parsed.set(text, dims);
  return dims;
}

/** Which dim has a label; -1: none. */
export const dimOf = (labels: readonly Label[] | undefined, name: string | undefined): number =>
  labels?.findIndex((label) => label.name === name) ?? -1;
