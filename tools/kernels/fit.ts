// Fits the kernel model to tables of measured operators, half of their shapes held out, and says how well:
// `npx tsx tools/kernels/fit.ts <folder of tables>`. Writes src/plan/cost/fitted-kernels.ts.
import { writeFileSync } from 'node:fs';
import { boundsOf, formats, groupsOf, parametersOf, predict, startOf, tableNames, type Values } from './model.ts';
import { printErrors } from './report.ts';
import { attentionRows, gemmRows, heldOut, moeRows, type Row } from './rows.ts';
import { coordinateSearch } from './search.ts';

/** GPUs of an architecture that were measured. */
const measured = {
  ampere: ['a100_sxm'],
  ada: ['l40s'],
  hopper: ['h100_sxm', 'h200_sxm'],
  blackwell: ['b200_sxm', 'b300_sxm', 'gb200', 'gb300'],
} as const;

/** Mean of how far predictions are off, as logarithms: so that half as long and twice as long weigh the same. */
const lossOver = (rows: readonly Row[]) => (values: Values) => {
  const parameters = parametersOf(values);
  let sum = 0;
  for (const row of rows) sum += Math.abs(Math.log(predict(parameters, values, row) / row.seconds));
  return sum / rows.length;
};

/** One kind of kernel after the other: what products say of launches and memory, attention and mixtures are not asked. */
function fitTo(rows: readonly Row[]): Values {
  let values = startOf(Object.values(groupsOf).flat());
  for (const [table, names] of [
    ['gemm', groupsOf.matmul],
    ['attention', groupsOf.attention],
    ['moe', groupsOf.grouped],
  ] as const) {
    const mine = rows.filter((row) => row.table === table);
    if (mine.length === 0) continue;
    const free = [...names, ...new Set(mine.flatMap(tableNames))];
    values = { ...startOf(free), ...values };
    values = coordinateSearch(values, boundsOf(free), lossOver(mine));
  }
  return values;
}

/** As it is kept: three digits; formats that an architecture's tables lack are its nearest wider ones. */
function kept(rows: readonly Row[], values: Values): object {
  const { products, ...others } = parametersOf(values);
  const round = (of: object) =>
    Object.fromEntries(Object.entries(of).map(([name, x]) => [name, Number(x.toPrecision(3))]));
  const seen = new Set(rows.map((row) => row.formats.products));
  let last: object = products.bf16;
  const filled = formats.map((format) => {
    if (seen.has(format)) last = products[format];
    return [format, round(last)];
  });
  return { ...round(others), products: Object.fromEntries(filled) };
}

const folder = process.argv[2];
if (!folder) throw new Error('give the folder of the tables: npx tsx tools/kernels/fit.ts <folder>');
const rows = [...gemmRows(folder), ...attentionRows(folder), ...moeRows(folder)];
const found: Record<string, object> = {};
for (const [architecture, gpus] of Object.entries(measured)) {
  const mine = rows.filter(({ gpu }) => (gpus as readonly string[]).includes(gpu));
  const values = fitTo(mine.filter((row) => !heldOut(row)));
  found[architecture] = kept(mine, values);
  printErrors(mine, parametersOf(values), values);
}
writeFileSync(
  new URL('../../src/plan/cost/fitted-kernels.ts', import.meta.url),
  `// Written by tools/kernels/fit.ts; kernel-parameters.ts says what the numbers are.
import type { KernelParameters } from './kernel-parameters.ts';

export const fittedKernels = ${JSON.stringify(found)} as const satisfies Record<string, KernelParameters>;
`,
);
