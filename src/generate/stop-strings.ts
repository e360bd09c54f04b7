// Finds the strings that end a text while it is written piece by piece, and never lets a part of one through.

export interface StopStrings {
  /** What can be shown now that `text` is added. `stopped`: a string was found, and the text ends before it. */
  push(text: string): { readonly shown: string; readonly stopped: boolean };
  /** What was held back as it could have become one. */
  end(): string;
}

/**
 * The string that is complete first counts, and of two that end together the longer: how the text is cut into pieces
 * changes nothing.
 * @param strings none of them empty
 */
export function stopStrings(strings: readonly string[]): StopStrings {
  let held = '';
  return {
    push(text) {
      held += text;
      const found = firstIn(held, strings);
      const length = found ?? held.length - longestStart(held, strings);
      const shown = held.slice(0, length);
      held = found === undefined ? held.slice(length) : '';
      return { shown, stopped: found !== undefined };
    },
    end() {
      const shown = held;
      held = '';
      return shown;
    },
  };
}

/** Where the string that is complete first begins. */
function firstIn(text: string, strings: readonly string[]): number | undefined {
  let begin: number | undefined;
  let end = Number.POSITIVE_INFINITY;
  for (const string of strings) {
    const at = text.indexOf(string);
    if (at < 0 || at + string.length > end) continue;
    if (at + string.length < end || at < begin!) begin = at;
    end = at + string.length;
  }
  return begin;
}

/** Characters at the end of the text that one of the strings begins with. */
function longestStart(text: string, strings: readonly string[]): number {
  const longest = Math.max(0, ...strings.map((string) => string.length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const end = text.slice(-length);
    if (strings.some((string) => string.startsWith(end))) return length;
  }
  return 0;
}
