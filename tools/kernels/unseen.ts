// How well a GPU is predicted that nothing was fitted to: from its architecture's others, or from the architecture before it.
// `npx tsx tools/kernels/unseen.ts <folder of tables>`.
import { before, fitTo } from './fit-to.ts';
import { parametersOf } from './model.ts';
import { printUnseen } from './report.ts';
import { measuredRows } from './rows.ts';

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error('usage: npx tsx tools/kernels/unseen.ts <folder of tables>');
  process.exit(2);
}
const rows = measuredRows(folder);
for (const gpu of new Set(rows.map((row) => row.gpu))) {
  const mine = rows.filter((row) => row.gpu === gpu);
  const { architecture } = mine[0]!.device;
  const others = rows.filter((row) => row.gpu !== gpu && row.device.architecture === architecture);
  const values =
    others.length > 0
      ? fitTo(architecture, others)
      : fitTo(
          architecture,
          rows.filter(({ device }) => device.architecture === before[architecture]),
        );
  printUnseen(gpu, mine, parametersOf(architecture, values));
}
