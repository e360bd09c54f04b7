// Fits the constants of training to tables of measured steps, half of whose families of rows are held out, and says how well it does:
//
//   npx tsx tools/fit-training.ts <folder of tables> [--fit]
//
// With --fit it prints the constants that are found, for training-parameters.ts and sustained.ts: each is set there by hand, rounded, where
// its removal or its change costs something.
import { coordinateSearch } from './kernels/search.ts';
import { isHeldOut, type TimedRow, timedRows } from './training/rows.ts';
import { bounds, costsWith, type Values, valuesNow } from './training/values.ts';

const [folder, ...flags] = process.argv.slice(2);
if (!folder) {
  console.error('usage: npx tsx tools/fit-training.ts <folder of tables> [--fit]');
  process.exit(2);
}
const rows = timedRows(folder);
const fitted = rows.filter((row) => !isHeldOut(row));

/** Predicted over measured; rows that are alike are predicted once. */
function ratios(values: Values, of: readonly TimedRow[]): number[] {
  const costs = costsWith(values);
  const known = new Map<TimedRow['secondsWith'], number>();
  return of.map(({ secondsWith, measured }) => {
    const seconds = known.get(secondsWith) ?? secondsWith(costs);
    known.set(secondsWith, seconds);
    return seconds / measured;
  });
}

const sizes = new Map<string, number>();
for (const { table } of fitted) sizes.set(table, (sizes.get(table) ?? 0) + 1);

/** Mean of how far predictions are off, as logarithms and at most by half; a table counts as the square root of its rows. */
function loss(values: Values): number {
  let [sum, weights] = [0, 0];
  for (const [i, ratio] of ratios(values, fitted).entries()) {
    const weight = 1 / Math.sqrt(sizes.get(fitted[i]!.table)!);
    sum += weight * Math.min(Math.abs(Math.log(ratio)), 0.5);
    weights += weight;
  }
  return sum / weights;
}

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`.padStart(8);

function show(title: string, values: Values, of: readonly TimedRow[]): void {
  const errors = ratios(values, of).map((ratio) => ratio - 1);
  const line = (name: string, mine: readonly number[]): string => {
    const mean = mine.reduce((sum, x) => sum + Math.abs(x), 0) / mine.length;
    const signed = mine.reduce((sum, x) => sum + x, 0) / mine.length;
    return `${name.padEnd(24)} ${`${mine.length}`.padStart(5)} ${percent(mean)} ${percent(signed)}`;
  };
  console.log(`\n${title}\n${''.padEnd(24)}  rows     mean   signed`);
  for (const table of new Set(of.map((row) => row.table)))
    console.log(
      line(
        table,
        errors.filter((_, i) => of[i]!.table === table),
      ),
    );
  console.log(line('all', errors));
}

function report(name: string, values: Values): void {
  show(`${name}: fitted`, values, fitted);
  show(`${name}: held out`, values, rows.filter(isHeldOut));
  show(`${name}: all`, values, rows);
}

report('as they are', valuesNow);
if (flags.includes('--fit')) {
  const found = coordinateSearch(valuesNow, bounds, loss);
  report('as fitted', found);
  console.log();
  for (const [name, value] of Object.entries(found))
    console.log(`${name.padEnd(44)} ${valuesNow[name]!.toPrecision(3).padStart(10)} → ${value.toPrecision(3)}`);
}
