// The constants of training as numbers by name, which a fit can move.
import { fittedCosts } from '../../src/plan/cost/fitted-costs.ts';
import { keeps } from '../../src/plan/cost/sustained.ts';
import type { CostModel } from '../../src/plan/training/costs.ts';
import { trainingParameters } from '../../src/plan/training/training-parameters.ts';

export type Values = Readonly<Record<string, number>>;
type Nested = { readonly [name: string]: number | Nested };

/** What is fitted, within what physics lets it be: `group.name.name`. */
export const bounds: Readonly<Record<string, readonly [number, number]>> = {
  'keeps.ampere.wide': [0.75, 1],
  'keeps.hopper.wide': [0.6, 1],
  'keeps.hopper.narrow': [0.6, 1],
  'keeps.blackwell.wide': [0.5, 1],
  'keeps.blackwell.narrow': [0.5, 1],
  'parameters.hiddenTensor': [0.3, 1],
  'parameters.hiddenExperts': [0.3, 1],
  'parameters.slowedBeside': [0.02, 0.4],
  'parameters.usedWindow': [0.3, 1],
  'parameters.optimizerShare': [0.4, 1],
  'parameters.fusedPasses': [0.5, 1.2],
  'parameters.unfusedPasses': [0.8, 2.5],
  'parameters.portableAttention.ampere': [1, 2.5],
  'parameters.portableAttention.hopper': [1, 3],
  'parameters.groupedShare': [0.4, 1],
  'parameters.launchSeconds.interpreted': [15e-6, 80e-6],
  'parameters.launchSeconds.compiled': [3e-6, 30e-6],
  'parameters.takesTurns': [1.2, 30],
  'parameters.collectiveLaunches': [0.5, 8],
  'parameters.awaitedSeconds': [1e-6, 300e-6],
  'parameters.tensorGathers': [0.05, 1],
};

const start = { keeps, parameters: trainingParameters } as unknown as Nested;

/** As they are now. */
export const valuesNow: Values = Object.fromEntries(
  Object.keys(bounds).map((name) => [
    name,
    name.split('.').reduce<Nested | number>((of, key) => (of as Nested)[key]!, start) as number,
  ]),
);

const put = (of: Nested, [key, ...rest]: readonly string[], value: number): Nested => ({
  ...of,
  [key!]: rest.length === 0 ? value : put(of[key!] as Nested, rest, value),
});

export function costsWith(values: Values): CostModel {
  let all = start;
  for (const [name, value] of Object.entries(values)) all = put(all, name.split('.'), value);
  return { ...fittedCosts, ...(all as unknown as Pick<CostModel, 'keeps' | 'parameters'>) };
}
