// Fits the kernel model to tables of measured operators, half of their shapes held out, and says how well it does:
// `npx tsx tools/kernels/fit.ts <folder of tables>`. Writes src/plan/cost/fitted-kernels.ts.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Architecture } from '../../src/plan/hardware/device.ts';
import { boundsOf, formats, groupsOf, parametersOf, predict, startOf, tableNames, type Values } from './model.ts';
import { printErrors, printUnseen } from './report.ts';
import { attentionRows, gemmRows, heldOut, moeRows, type Row } from './rows.ts';
import { coordinateSearch } from './search.ts';

/** Mean of how far predictions are off, as logarithms: so that half as long and twice as long weigh the same. */
const lossOver = (architecture: Architecture, rows: readonly Row[]) => (values: Values) => {
  const parameters = parametersOf(architecture, values);
  let sum = 0;
  for (const row of rows) sum += Math.abs(Math.log(predict(parameters, values, row) / row.seconds));
  return sum / rows.length;
};

/** One kind of kernel after the other: what products say of launches and memory, attention and mixtures are not asked. */
function fitTo(architecture: Architecture, rows: readonly Row[]): Values {
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
    values = coordinateSearch(values, boundsOf(free), lossOver(architecture, mine));
  }
  return values;
}

/** As it is kept: three digits; formats that an architecture's tables lack are the next wider one that they have. */
function kept(architecture: Architecture, rows: readonly Row[], values: Values): object {
  const { products, ...others } = parametersOf(architecture, values);
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
const fitted = new Map<Architecture, Values>();
for (const architecture of new Set(rows.map(({ device }) => device.architecture))) {
  const mine = rows.filter(({ device }) => device.architecture === architecture);
  const values = fitTo(
    architecture,
    mine.filter((row) => !heldOut(row)),
  );
  fitted.set(architecture, values);
  found[architecture] = kept(architecture, mine, values);
  printErrors(mine, parametersOf(architecture, values), values);
}

/** A GPU that no table has is predicted from its architecture's others, or from the architecture before it. */
const before: Partial<Record<Architecture, Architecture>> = {
  ampere: 'ada',
  ada: 'ampere',
  hopper: 'ampere',
  blackwell: 'blackwell-ultra',
  'blackwell-ultra': 'blackwell',
  'blackwell-rtx': 'ada',
};
for (const gpu of new Set(rows.map((row) => row.gpu))) {
  const mine = rows.filter((row) => row.gpu === gpu);
  const { architecture } = mine[0]!.device;
  const others = rows.filter((row) => row.gpu !== gpu && row.device.architecture === architecture);
  const values = others.length > 0 ? fitTo(architecture, others) : fitted.get(before[architecture]!)!;
  printUnseen(gpu, mine, parametersOf(architecture, values));
}

const file = fileURLToPath(new URL('../../src/plan/cost/fitted-kernels.ts', import.meta.url));
writeFileSync(
  file,
  `// Written by tools/kernels/fit.ts; kernel-parameters.ts says what the numbers are.
import type { KernelParameters } from './kernel-parameters.ts';

export const fittedKernels = ${JSON.stringify(found)} as const satisfies Record<string, KernelParameters>;
`,
);
execFileSync('npx', ['biome', 'format', '--write', file]);
