// Fits the constants of training to tables of measured steps, half of whose families of rows are held out, and says how well it does:
//
//   npx tsx tools/fit-training.ts <folder of tables> [--fit]
//
// With --fit it prints the constants that are found, for training-parameters.ts and sustained.ts: each is set there by hand, rounded, where
// its removal or its change costs something.

import { once } from '../src/step/once.ts';
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

/** What is moved is tried on so many rows a table, evenly taken. */
const tried = 60;
const tables = [...new Set(fitted.map(({ table }) => table))].map((table) =>
  fitted.filter((row) => row.table === table),
);
const sample = tables.flatMap((of) => {
  const every = Math.max(1, of.length / tried);
  return of.filter((_, i) => Math.floor(i / every) !== Math.floor((i - 1) / every));
});

const known = new Map<TimedRow['secondsWith'], Map<string, number>>();

/** The values that a row's prediction may depend on, in one word: those of other architectures leave it as it was. */
const wordOf = (values: Values) =>
  once((architecture: string) =>
    Object.entries(values)
      .filter(([name]) => !ofArchitecture.test(name) || name.includes(`.${architecture}`))
      .map(([, value]) => value)
      .join(),
  );
const ofArchitecture = /^keeps|portableAttention/;

/** Predicted over measured; rows that are alike are predicted once. */
function ratios(values: Values, of: readonly TimedRow[]): number[] {
  const costs = costsWith(values);
  const wordFor = wordOf(values);
  return of.map(({ secondsWith, measured, architecture }) => {
    const word = wordFor(architecture);
    const mine = known.get(secondsWith) ?? new Map<string, number>();
    known.set(secondsWith, mine);
    const seconds = mine.get(word) ?? secondsWith(costs);
    mine.set(word, seconds);
    return seconds / measured;
  });
}

const sizes = new Map<string, number>();
for (const { table } of sample) sizes.set(table, (sizes.get(table) ?? 0) + 1);

/** Mean of how far predictions are off, as logarithms and at most by half; a table counts as the square root of its rows. */
function loss(values: Values): number {
  let [sum, weights] = [0, 0];
  for (const [i, ratio] of ratios(values, sample).entries()) {
    const weight = 1 / Math.sqrt(sizes.get(sample[i]!.table)!);
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
  let trials = 0;
  const found = coordinateSearch(valuesNow, bounds, (values) => {
    if (++trials % 50 === 0) process.stderr.write(`${trials} trials\n`);
    return loss(values);
  });
  report('as fitted', found);
  console.log();
  for (const [name, value] of Object.entries(found))
    console.log(`${name.padEnd(44)} ${valuesNow[name]!.toPrecision(3).padStart(10)} → ${value.toPrecision(3)}`);
}
