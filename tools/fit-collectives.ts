// Fits what links cost collectives to a table of measurements and writes src/plan/cost/collective-parameters.ts:
//
//   npx tsx tools/fit-collectives.ts <folder of tables>
//
// Half of the curves (a machine, a collective and a number of ranks, over all sizes) are held out, and errors of both halves printed.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { LinkCost } from '../src/plan/cost/link-cost.ts';
import { type LinkKind, linkKinds } from '../src/plan/hardware/link.ts';
import { assumed } from './collectives/assumed.ts';
import { errorOf, sizeClass, summarise, table } from './collectives/errors.ts';
import { fitted } from './collectives/fit.ts';
import { type Row, readRows } from './collectives/rows.ts';

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error('usage: npx tsx tools/fit-collectives.ts <folder of tables>');
  process.exit(2);
}

const { rows, left } = readRows(`${folder}/collectives.csv`);

/** The kind of the outermost link that a row's ranks go over. */
const kindOf = ({ talk, cluster }: Row): LinkKind =>
  cluster.tiers[talk.spread.findLastIndex((ranks) => ranks > 1)]!.link;

/** Every second curve of each kind of link and collective. */
const heldOut = new Set<string>();
const curvesOf = new Map<string, Set<string>>();
for (const row of rows) {
  const group = `${kindOf(row)} ${row.talk.call}`;
  curvesOf.set(group, (curvesOf.get(group) ?? new Set()).add(row.curve));
}
for (const curves of curvesOf.values())
  for (const [i, curve] of [...curves].toSorted().entries()) if (i % 2 === 1) heldOut.add(curve);
const isHeldOut = ({ curve }: Row): boolean => heldOut.has(curve);

/**
 * What no kind of link explains: the L40S machine, more than two ranks of which get a hundredth of a link each; and Vidur's small all-reduces, whose
 * times go up and down by a factor of five from one size to the next.
 */
const isOdd = ({ gpu, talk }: Row): boolean =>
  (gpu === 'l40s' && talk.spread.some((ranks) => ranks > 2)) ||
  (/DGX|pairwise/.test(gpu) && talk.call === 'allReduce' && talk.bytes < 2 ** 21);

const train = rows.filter((row) => !isHeldOut(row) && !isOdd(row));
const held = rows.filter((row) => isHeldOut(row) && !isOdd(row));
const kinds = ['nvlink-2', 'nvlink-3', 'nvlink-4', 'nvlink-5', 'pcie'] as const satisfies LinkKind[];
let costs: Readonly<Record<LinkKind, LinkCost>> = assumed;
for (const kind of kinds) {
  const own = train.filter((row) => kindOf(row) === kind);
  process.stderr.write(`\rfitting ${kind} to ${own.length} rows    `);
  const cost = fitted(own, kind, costs);
  const { rows: count, median } = summarise(own.map((row) => errorOf(row, { ...costs, [kind]: cost })));
  const source = `fitted to ${count} measured collectives, median error ${(100 * median).toFixed(1)} %`;
  costs = { ...costs, [kind]: { ...cost, source } };
}
process.stderr.write('\n');

const heading = `${''.padEnd(46)}  rows   median      p90   signed`;
const show = (title: string, lines: readonly string[]) => console.log(`\n${title}\n${heading}\n${lines.join('\n')}`);
for (const [name, part] of [
  ['fitted', train],
  ['held out', held],
] as const) {
  show(`${name}: by link`, table(part, costs, kindOf));
  show(
    `${name}: by machine and collective`,
    table(part, costs, ({ gpu, talk }) => `${gpu} ${talk.call}`),
  );
  show(
    `${name}: by link and size`,
    table(part, costs, (row) => `${kindOf(row)} ${sizeClass(row)}`),
  );
  show(
    `${name}: by collective and size`,
    table(part, costs, (row) => `${row.talk.call} ${sizeClass(row)}`),
  );
  show(
    `${name}: all`,
    table(part, costs, () => 'all'),
  );
}
show(
  'left out of the fit',
  table(rows.filter(isOdd), costs, ({ gpu, talk }) => `${gpu} ${talk.call}`),
);
for (const [reason, count] of left) console.log(`${count} rows: ${reason}`);

const target = fileURLToPath(new URL('../src/plan/cost/collective-parameters.ts', import.meta.url));
writeFileSync(target, source(costs));

function source(of: Readonly<Record<LinkKind, LinkCost>>): string {
  const rounded = (_: string, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value);
  const body = JSON.stringify(Object.fromEntries(linkKinds.map((kind) => [kind, of[kind]])), rounded);
  return `// What links cost collectives: written by tools/fit-collectives.ts from a table of measurements.
import type { LinkKind } from '../hardware/link.ts';
import type { LinkCost } from './link-cost.ts';

export const collectiveParameters: Readonly<Record<LinkKind, LinkCost>> = ${body};
`;
}
