// The command that compares predictions with published measurements: `fivefold accuracy`.
import { basename } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Command } from 'commander';
import { fail } from '../errors.ts';
import { readWhole } from '../files/regular-file.ts';
import { figuresOf, type JudgedRow } from '../plan/accuracy/figures.ts';
import { judge } from '../plan/accuracy/judge.ts';
import { predictors } from '../plan/accuracy/predictors.ts';
import { parseTable, type Table } from '../plan/accuracy/table.ts';
import { formatAccuracy, type JudgedTable } from './accuracy-report.ts';
import { type CliIo, throwIfStopped, writeJson } from './io.ts';
import { addOptions, type OptionValues } from './options.ts';
import { showPreparing } from './preparing.ts';
import { wantsColour } from './ui/colour.ts';
import { columnsOf } from './ui/wrap.ts';

export function addAccuracy(program: Command, io: CliIo): void {
  const command = program
    .command('accuracy')
    .description('predict what others have measured, and say how far off that is')
    .argument('<csv...>', 'tables of measurements');
  const read = addOptions(command, { json: '', debug: '' });
  command.addHelpText(
    'after',
    `
Example:
  $ fivefold accuracy measured/*.csv

A table is CSV with a header. Of training its columns are gpu, num_gpus, model, layers, hidden, heads, .., tp, pp, dp, micro_batch,
global_batch, iter_time_s, ..; of serving engine or backend, model, isl, osl, and what was measured. Columns of words (sharding,
recompute, extra, notes, ..) are read too; a column software says what --software of predict does. What a row leaves open, and rows that cannot be predicted, are told.

With --json, a line a table: {"table", "rows", "predicted", "skipped", "medianError", "meanError", "p90Error", "signedError",
"memoryMeanError", "fitsRight", "regretMean", "byMetric"}, errors as shares of what was measured and null where there are none, and at
the end {"done": true, ..} with the same of all tables, and "training" and "serving" with the same of each. "byMetric" has of served
requests "timeToFirstToken", "timePerOutputToken" and "throughput", each {"rows", "medianError", "meanError", "p90Error", "signedError"}.`,
  );
  command.action((paths: string[]) => runAccuracy(paths, read(), io));
}

async function runAccuracy(
  paths: readonly string[],
  { json }: OptionValues<'json' | 'debug'>,
  io: CliIo,
): Promise<void> {
  // All are read first, so that what is wrong with one is said at once.
  const tables = paths.map(readTable);
  const judged: JudgedTable[] = [];
  for (const table of tables) {
    const rows = await judgeTable(table, json === true, io);
    judged.push({ name: table.name, kind: table.kind, rows });
    if (json) writeJson(io.stdout, { table: table.name, ...figuresOf(rows) });
  }
  if (json) {
    const of = (wanted: (kind: Table['kind']) => boolean) =>
      figuresOf(judged.flatMap(({ kind, rows }) => (wanted(kind) ? rows : [])));
    const training = of((kind) => kind === 'training');
    const serving = of((kind) => kind === 'latencies' || kind === 'throughputs');
    writeJson(io.stdout, { done: true, ...of((kind) => kind !== 'operators'), training, serving });
    return;
  }
  const columns = columnsOf(io.stdout);
  io.stdout.write(`${formatAccuracy(judged, { colour: wantsColour(io.stdout), columns })}\n`);
}

/** More than any table of measurements. */
const maxTableBytes = 2 ** 28;

/** @throws TABLE_INVALID */
export function readTable(path: string): Table {
  const bytes = readWhole(path, maxTableBytes, ({ problem, fix }) =>
    fail('TABLE_INVALID', { path, problem, fix: fix ?? 'give a CSV file' }),
  );
  return parseTable(basename(path, '.csv'), bytes.toString('utf8'));
}

/** Rows one after another; now and then others get their turn: signals, and the line that shows how far it is. */
async function judgeTable(table: Table, quiet: boolean, io: CliIo): Promise<JudgedRow[]> {
  const showing = showPreparing(quiet, io);
  const rows: JudgedRow[] = [];
  let next = 0;
  try {
    for (const row of judge(table, predictors)) {
      rows.push(row);
      if (performance.now() < next) continue;
      showing.show(`${table.name}: row ${rows.length} of ${table.rows.length}`);
      await setImmediate();
      throwIfStopped(io);
      next = performance.now() + 100;
    }
  } finally {
    showing.end();
  }
  return rows;
}
