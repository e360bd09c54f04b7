// The numbers of the kernel model with which rows of one architecture are predicted best.
import type { Architecture } from '../../src/plan/hardware/device.ts';
import { boundsOf, groupsOf, parametersOf, predict, startOf, tableNames, type Values } from './model.ts';
import type { Row } from './rows.ts';
import { coordinateSearch } from './search.ts';

/** Mean of how far predictions are off, as logarithms: so that half as long and twice as long weigh the same. */
const lossOver = (architecture: Architecture, rows: readonly Row[]) => (values: Values) => {
  const parameters = parametersOf(architecture, values);
  let sum = 0;
  for (const row of rows) sum += Math.abs(Math.log(predict(parameters, values, row) / row.seconds));
  return sum / rows.length;
};

/** One kind of kernel after the other: what products say of launches and memory, attention and mixtures are not asked. `nearest`: for what has no rows. */
export function fitTo(architecture: Architecture, rows: readonly Row[], nearest?: Values): Values {
  let values = startOf(Object.values(groupsOf).flat());
  for (const [table, names] of [
    ['gemm', groupsOf.matmul],
    ['attention', groupsOf.attention],
    ['moe', groupsOf.grouped],
  ] as const) {
    const mine = rows.filter((row) => row.table === table);
    if (mine.length === 0) {
      for (const name of names) if (nearest?.[name] !== undefined) values = { ...values, [name]: nearest[name] };
      continue;
    }
    const free = [...names, ...new Set(mine.flatMap(tableNames))];
    values = { ...startOf(free), ...values };
    values = coordinateSearch(values, boundsOf(free), lossOver(architecture, mine));
  }
  return values;
}

/** Whose numbers an architecture has where its tables say nothing. */
export const before: Partial<Record<Architecture, Architecture>> = {
  ampere: 'ada',
  ada: 'ampere',
  hopper: 'ampere',
  blackwell: 'blackwell-ultra',
  'blackwell-ultra': 'blackwell',
  'blackwell-rtx': 'ada',
};
