// A list of numbers that grows, eight bytes each.

export interface NumberList {
  readonly length: number;
  push(value: number): void;
  /** Drops what is past the first `length`. */
  truncate(length: number): void;
  /** All of them, until the next push. */
  view(): Float64Array<ArrayBuffer>;
}

export function createNumberList(): NumberList {
  let values = new Float64Array(1024);
  let length = 0;
  return {
    get length() {
      return length;
    },
    push(value) {
      if (length === values.length) {
        const grown = new Float64Array(2 * length);
        grown.set(values);
        values = grown;
      }
      values[length] = value;
      length += 1;
    },
    truncate(to) {
      length = Math.min(length, to);
    },
    view: () => values.subarray(0, length),
  };
}
