// A machine for tests of what is made of measurements: every cost is another number, so that nothing can stand for anything else.
import { countedOps } from '../src/mesh/traffic.ts';
import { type MeasuredMachine, productNames } from '../src/plan/hardware/measured-machine.ts';

const costs = (seed: number, length: number): number[] =>
  Array.from({ length }, (_, i) => (i === 0 ? 1e-5 : 1e-10) * (1 + ((seed * 7 + i * 3) % 11) / 10));

/** Of two cores, which never wait for each other. `ops`: those that were measured. */
export const measuredMachine = (ops: readonly string[] = ['add', 'adamw', 'zero']): MeasuredMachine => ({
  title: 'Some processor',
  cores: 2,
  memoryBytes: 16 * 2 ** 30,
  kernels: {
    products: Object.fromEntries(productNames.map((name, i) => [name, costs(i, 5)])) as never,
    memory: Object.fromEntries(ops.map((op, i) => [op, costs(i + 10, 2)])),
    others: costs(20, 2),
  },
  alone: 0.75,
  pace: [
    [0.001, 1],
    [1, 1],
  ],
  turns: 1,
  talk: [
    {
      ranks: 2,
      seconds: Object.fromEntries(
        countedOps.map((op, i) => [
          op,
          [
            [64, 1e-6 * (i + 1)],
            [2 ** 16, 1e-5 * (i + 2)],
            [2 ** 20, 1e-4 * (i + 3)],
          ],
        ]),
      ) as never,
    },
  ],
});
