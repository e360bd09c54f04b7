// The page that says what came of the campaign: a line a part, each with the command that made it.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface PartReport {
  readonly name: string;
  /** Makes this part again. */
  readonly command: string;
  readonly seconds: number;
  readonly result: string;
  /** What a person has to look at. */
  readonly wrong: readonly string[];
}

const page = fileURLToPath(new URL('../../docs/reliability.md', import.meta.url));
const marks = ['<!-- campaign -->', '<!-- /campaign -->'] as const;

const titleOf = (name: string): string => `- **${name}** (`;

const textOf = ({ name, command, seconds, result, wrong }: PartReport): string =>
  [
    `${titleOf(name)}\`${command}\`, ${Math.round(seconds)} s on two cores, Node ${process.versions.node}): ${result}; ${wrong.length === 0 ? 'nothing was wrong' : `${wrong.length} wrong`}.`,
    ...wrong.map((line) => `  - ${line}`),
  ].join('\n');

/** Writes these parts' lines in place of their earlier ones; those of other parts stay. `names`: of all parts, in their order. */
export function writePage(reports: readonly PartReport[], names: readonly string[]): void {
  const [before, rest] = readFileSync(page, 'utf8').split(marks[0]);
  const [block, after] = rest?.split(marks[1]) ?? [];
  if (block === undefined || after === undefined)
    throw new Error(`${page} has no place for it: ${marks.join(' ... ')}`);
  const earlier = block.split(/^(?=- \*\*)/m).map((text) => text.trim());
  const lines = names.flatMap((name) => {
    const made = reports.find((report) => report.name === name);
    if (made) return [textOf(made)];
    return earlier.filter((text) => text.startsWith(titleOf(name)));
  });
  writeFileSync(page, `${before}${marks[0]}\n${lines.join('\n')}\n${marks[1]}${after}`);
}
