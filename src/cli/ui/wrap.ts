// Text in the width of a terminal: broken between words, never inside one.

/** A terminal's columns; elsewhere lines have no end. */
export const columnsOf = (output: { readonly isTTY?: boolean; readonly columns?: number }): number =>
  (output.isTTY && output.columns) || Number.POSITIVE_INFINITY;

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
const unseen = /\x1b\[[\d;]*[A-Za-z]|\r/g;

/** How many columns a line takes: colours take none. */
export const seenLength = (line: string): number => [...line.replace(unseen, '')].length;

/**
 * Lines of more than `columns` broken at spaces; a longer word stays whole. What goes on is indented like its line, or in a list
 * of names and meanings (two spaces between them) like the meaning. A command after `$ ` goes on after a backslash, as shells have it.
 */
export const wrap = (text: string, columns: number): string =>
  text
    .split('\n')
    .map((line) => {
      if (seenLength(line) <= columns) return line;
      const [, indent, command] = /^(\s*)\$ (.*)$/.exec(line) ?? [];
      if (command !== undefined) return `${indent}$ ${wrapCommand(command, columns, indent!.length + 2)}`;
      const hanging = /^\s*(?:\S+ )*\S+ {2,}(?=\S)|^\s*/.exec(line.replace(unseen, ''))![0].length;
      // A meaning far to the right would be squeezed into a few columns.
      return fill(line.split(/(?<=\S) (?=\S)/), columns, hanging <= columns / 2 ? hanging : 4, '');
    })
    .join('\n');

/** The same for text that is written in lines of its own: paragraphs that must be broken are filled anew. */
export const flow = (text: string, columns: number): string => {
  const lines: string[] = [];
  let open = false;
  for (const line of text.split('\n')) {
    if (open && /^\S/.test(line)) lines[lines.length - 1] += ` ${line}`;
    else lines.push(line);
    open = /^\S/.test(line) && seenLength(lines.at(-1)!) > columns;
  }
  return wrap(lines.join('\n'), columns);
};

/** A command line over several lines, to be copied as it stands; `indent`: the column it begins in. */
export const wrapCommand = (command: string, columns: number, indent: number): string =>
  fill(argumentsOf(command), columns - 2 - indent, 2, ' \\').replaceAll('\n', `\n${' '.repeat(indent)}`);

/** What is quoted stays together, and an option with its value. */
const argumentsOf = (command: string): string[] =>
  command.match(/--\S+ (?:'[^']*'|[^-\s'][^\s']*)+|(?:'[^']*'|[^\s'])+/g) ?? [];

function fill(words: readonly string[], columns: number, hanging: number, end: string): string {
  const lines: string[] = [];
  let line = words[0] ?? '';
  for (const word of words.slice(1)) {
    if (seenLength(line) + 1 + seenLength(word) <= columns) {
      line += ` ${word}`;
      continue;
    }
    lines.push(line + end);
    line = ' '.repeat(hanging) + word;
  }
  return [...lines, line].join('\n');
}
