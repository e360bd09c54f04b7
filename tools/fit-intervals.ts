// Fits how far off predictions of training may be (src/plan/training/interval-parameters.ts) to the errors of measured runs:
//
//   npx tsx tools/fit-intervals.ts <folder of tables>
//
// The logarithm of measured over predicted is taken to be so many usual widths, and a width to be a product of factors, one for each trait
// that a run has: least squares of the widths' logarithms, drawn towards factors of 1. Tables count by the root of their rows. It prints
// how many measurements lie within: of the rows left out when every second one is, and of each table when all of it is.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { firstThatFits, predictedBytes } from '../src/plan/accuracy/judge.ts';
import { predictors } from '../src/plan/accuracy/predictors.ts';
import { frameworkOf } from '../src/plan/accuracy/row-facts.ts';
import { parseTable } from '../src/plan/accuracy/table.ts';
import { trainingCase } from '../src/plan/accuracy/training-row.ts';
import { solve } from '../src/plan/calibrate/solve.ts';
import { currentSoftware } from '../src/plan/software/software.ts';
import { boundsOf, errorWidth, traits } from '../src/plan/training/interval.ts';
import type { Interval, IntervalParameters, Trait } from '../src/plan/training/interval-shape.ts';
import type { TrainingScenario } from '../src/plan/training/scenario.ts';
import { withSoftware } from './with-software.ts';

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error('usage: npx tsx tools/fit-intervals.ts <folder of tables>');
  process.exit(2);
}

interface Error {
  readonly table: string;
  readonly scenario: TrainingScenario;
  /** Of measured over predicted, logarithms. */
  readonly time?: number;
  /** The same of a prediction with a tuned stack, where the row's framework has a name. */
  readonly tuned?: number;
  readonly memory?: number;
}

const errors = readdirSync(folder)
  .filter((name) => name.endsWith('.csv'))
  .toSorted()
  .flatMap((name) => {
    const table = parseTable(basename(name, '.csv'), readFileSync(join(folder, name), 'utf8'));
    if (table.kind !== 'training') return [];
    process.stderr.write(`${name}\n`);
    return table.rows.flatMap((row): Error[] => {
      const found = trainingCase(row);
      if (typeof found === 'string') return [];
      try {
        const { scenario, prediction } = firstThatFits(found.scenarios, predictors.training);
        const { stepSeconds, memory } = found.measured;
        const asTuned = found.scenarios.map((each) => withSoftware(each, currentSoftware));
        const tuned =
          frameworkOf(row) && stepSeconds ? firstThatFits(asTuned, predictors.training).prediction : undefined;
        return [
          {
            table: table.name,
            scenario,
            ...(stepSeconds === undefined ? {} : { time: Math.log(stepSeconds / prediction.stepSeconds) }),
            ...(tuned === undefined ? {} : { tuned: Math.log(stepSeconds! / tuned.stepSeconds) }),
            ...(memory === undefined
              ? {}
              : { memory: Math.log(memory.bytes / predictedBytes(prediction, memory.kind)) }),
          },
        ];
      } catch {
        // What no layout can be: `accuracy` says so of the row.
        return [];
      }
    });
  });

const names = Object.keys(traits) as Trait[];
/** Errors below it are luck. */
const leastError = 0.01;
/** Of how many rows' weight it is that a factor is 1. */
const drawn = 2;

const weightsOf = (rows: readonly Error[]): number[] => {
  const counts = new Map<string, number>();
  for (const { table } of rows) counts.set(table, (counts.get(table) ?? 0) + 1);
  return rows.map(({ table }) => 1 / Math.sqrt(counts.get(table)!));
};

function fitTo(rows: readonly Error[]): IntervalParameters {
  const timed = rows.filter(({ time }) => time !== undefined);
  const weights = weightsOf(timed);
  const inputs = timed.map(({ scenario }) => [1, ...names.map((name) => (traits[name](scenario) ? 1 : 0))]);
  const outputs = timed.map(({ time }) => Math.log(Math.max(leastError, Math.abs(time!))));
  const size = names.length + 1;
  const normal = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size + 1 }, (_, j) => {
      const ridge = i === j && i > 0 ? drawn : 0;
      return inputs.reduce((sum, x, at) => sum + weights[at]! * x[i]! * (j < size ? x[j]! : outputs[at]!), ridge);
    }),
  );
  const [base, ...logs] = solve(normal);
  const factors = Object.fromEntries(names.map((name, at) => [name, rounded(Math.exp(logs[at]!))]));
  const parameters = { width: rounded(Math.exp(base!)), factors: factors as Record<Trait, number> };
  const at = { ...parameters, low: 0, high: 0, tuned: [0, 0] as const, memory: [0, 0] as const };
  const widths = timed.map(({ scenario, time }) => time! / errorWidth(scenario, at));
  const asTuned = timed.filter(({ tuned }) => tuned !== undefined);
  const tunedWidths = asTuned.map(({ scenario, tuned }) => tuned! / errorWidth(scenario, at));
  const read = rows.filter(({ memory }) => memory !== undefined);
  return {
    ...parameters,
    low: rounded(quantile(widths, weights, 0.1)),
    high: rounded(quantile(widths, weights, 0.9)),
    tuned: [0.1, 0.9].map((share) => rounded(quantile(tunedWidths, weightsOf(asTuned), share))) as unknown as Interval,
    memory: [0.1, 0.9].map((share) =>
      rounded(
        quantile(
          read.map(({ memory }) => memory!),
          weightsOf(read),
          share,
        ),
      ),
    ) as unknown as Interval,
  };
}

const rounded = (value: number): number => Number(value.toPrecision(3));

/** Below it lies so large a share of the weight. */
function quantile(values: readonly number[], weights: readonly number[], share: number): number {
  const order = values.map((value, at) => ({ value, weight: weights[at]! })).toSorted((a, b) => a.value - b.value);
  const all = order.reduce((sum, { weight }) => sum + weight, 0);
  let sum = 0;
  for (const { value, weight } of order) {
    sum += weight;
    if (sum >= share * all) return value;
  }
  return order.at(-1)!.value;
}

/** The share of rows that lie within. */
function coverage(rows: readonly Error[], parameters: IntervalParameters): number {
  const timed = rows.filter(({ time }) => time !== undefined);
  const within = timed.filter(({ scenario, time }) => {
    const width = errorWidth(scenario, parameters);
    const [low, high] = boundsOf(scenario, parameters);
    return width * low <= time! && time! <= width * high;
  });
  return within.length / timed.length;
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
const halves = [0, 1].map((half) => errors.filter((_, at) => at % 2 === half)) as [Error[], Error[]];
console.log(`rows ${errors.length}; within, of all: ${percent(coverage(errors, fitTo(errors)))}`);
console.log(
  `of the half not fitted to: ${percent(coverage(halves[1], fitTo(halves[0])))}, ${percent(coverage(halves[0], fitTo(halves[1])))}`,
);
const tables = [...new Set(errors.filter(({ time }) => time !== undefined).map(({ table }) => table))];
let sum = 0;
for (const name of tables) {
  const others = fitTo(errors.filter(({ table }) => table !== name));
  const own = errors.filter(({ table }) => table === name);
  sum += coverage(own, others);
  console.log(`  ${name}, not fitted to: ${percent(coverage(own, others))} of ${own.length}`);
}
console.log(`of tables not fitted to, on average: ${percent(sum / tables.length)}`);

const found = fitTo(errors);
console.log(found);
const factors = names.map((name) => `${name}: ${found.factors[name]}`).join(', ');
writeFileSync(
  fileURLToPath(new URL('../src/plan/training/interval-parameters.ts', import.meta.url)),
  `// Written by tools/fit-intervals.ts: fitted to the errors of ${errors.length} measured runs, of which it then holds ${percent(coverage(errors, found))}; of the half
// that it was not fitted to ${percent((coverage(halves[1], fitTo(halves[0])) + coverage(halves[0], fitTo(halves[1]))) / 2)}, of sources that it was not fitted to ${percent(sum / tables.length)} on average.
import type { IntervalParameters } from './interval-shape.ts';

export const intervalParameters: IntervalParameters = {
  width: ${found.width},
  factors: { ${factors} },
  low: ${found.low},
  high: ${found.high},
  tuned: [${found.tuned.join(', ')}],
  memory: [${found.memory.join(', ')}],
};
`,
);
