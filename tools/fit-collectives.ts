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

/** Every second curve, in an order that has nothing to do with what they are. */
function isHeldOut({ curve }: Row): boolean {
  let hash = 2166136261;
  for (const letter of curve) hash = Math.imul(hash ^ letter.codePointAt(0)!, 16777619);
  hash ^= hash >>> 15;
  return (hash & 1) === 1;
}

/** A machine whose ranks reach each other through their host: its more than two ranks are of no kind of link. */
const isOdd = ({ gpu, talk }: Row): boolean => gpu === 'l40s' && talk.spread.some((ranks) => ranks > 2);

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
  const rounded = (_: string, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(3)) : value);
  const body = JSON.stringify(Object.fromEntries(linkKinds.map((kind) => [kind, of[kind]])), rounded, 2);
  return `// What links cost collectives: written by tools/fit-collectives.ts from a table of measurements.
import type { LinkKind } from '../hardware/link.ts';
import type { LinkCost } from './link-cost.ts';

export const collectiveParameters: Readonly<Record<LinkKind, LinkCost>> = ${body};
`;
}
