// Fits the kernel model to tables of measured operators, half of their shapes held out, and says how well it does:
// `npx tsx tools/fit-kernels.ts <folder of tables>`. Writes src/plan/cost/fitted-kernels.ts.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Architecture } from '../src/plan/hardware/device.ts';
import { before, fitTo } from './kernels/fit-to.ts';
import { formats, parametersOf, type Values } from './kernels/model.ts';
import { printErrors } from './kernels/report.ts';
import { heldOut, measuredRows, type Row } from './kernels/rows.ts';

/** As it is kept: three digits; formats that an architecture's tables lack are the next wider one that they have. */
function kept(architecture: Architecture, rows: readonly Row[], values: Values): object {
  const { products, ...others } = parametersOf(architecture, values);
  const round = (of: object) =>
    Object.fromEntries(
      Object.entries(of).map(([name, x]) => [name, typeof x === 'number' ? Number(x.toPrecision(3)) : x]),
    );
  const seen = new Set(rows.map((row) => row.formats.products));
  let last: object = products.bf16;
  const filled = formats.map((format) => {
    if (seen.has(format)) last = products[format];
    return [format, round(last)];
  });
  return { ...round(others), products: Object.fromEntries(filled) };
}

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error('usage: npx tsx tools/fit-kernels.ts <folder of tables>');
  process.exit(2);
}
const rows = measuredRows(folder);
const found: Record<string, object> = {};
const fitted = new Map<Architecture, Values>();
for (const architecture of new Set(rows.map(({ device }) => device.architecture))) {
  const mine = rows.filter(({ device }) => device.architecture === architecture);
  const values = fitTo(
    architecture,
    mine.filter((row) => !heldOut(row)),
    fitted.get(before[architecture]!),
  );
  fitted.set(architecture, values);
  found[architecture] = kept(architecture, mine, values);
  printErrors(mine, parametersOf(architecture, values), values);
}

const file = fileURLToPath(new URL('../src/plan/cost/fitted-kernels.ts', import.meta.url));
writeFileSync(
  file,
  `// Written by tools/fit-kernels.ts; kernel-parameters.ts says what the numbers are.
import type { KernelParameters } from './kernels/kernel-parameters.ts';

export const fittedKernels = ${JSON.stringify(found)} as const satisfies Record<string, KernelParameters>;
`,
);
execFileSync('npx', ['biome', 'format', '--write', file]);
