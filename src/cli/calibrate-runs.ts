// Learns the constants of a cluster from its owner's runs: `fivefold calibrate runs.csv`.
import { setImmediate } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { FivefoldError, fail } from '../errors.ts';
import { printLayout } from '../mesh/layout.ts';
import { firstThatFits } from '../plan/accuracy/judge.ts';
import type { Row } from '../plan/accuracy/table.ts';
import { trainingCase } from '../plan/accuracy/training-row.ts';
import { type CalibratedRun, calibrate, type MeasuredRun } from '../plan/calibrate/calibrate.ts';
import { fittedCosts } from '../plan/cost/fitted-costs.ts';
import type { CalibratedWork } from '../plan/hardware/calibration.ts';
import type { Cluster } from '../plan/hardware/cluster.ts';
import { clusterFileJson } from '../plan/hardware/cluster-file.ts';
import type { SoftwareChange } from '../plan/software/frameworks.ts';
import { changeOf } from '../plan/software/parse-software.ts';
import { predictTraining } from '../plan/training/predict-training.ts';
import { formatPercent, formatSeconds } from '../units.ts';
import { readTable } from './accuracy.ts';
import { type CliIo, throwIfStopped, writeJson, writeLine } from './io.ts';
import { checkKept, keepJson } from './machine-file.ts';
import { showPreparing } from './preparing.ts';
import { wantsColour } from './ui/colour.ts';
import { formatTable } from './ui/table.ts';
import { columnsOf } from './ui/wrap.ts';

export async function calibrateByRuns(
  paths: readonly string[],
  { out, json }: { readonly out: string | undefined; readonly json: boolean },
  io: CliIo,
): Promise<void> {
  const { runs, skipped } = runsIn(paths);
  const cluster = clusterOf(runs, paths);
  if (out !== undefined) checkKept(out);
  const found = await fitted(runs, json, io);
  const errors = {
    before: meanError(found.runs, 'before'),
    after: meanError(found.runs, 'after'),
    leaveOneOut: meanError(found.runs, 'leftOut'),
  };
  const source = `fitted to ${runs.length} runs`;
  if (out !== undefined) keepJson(clusterFileJson(cluster, found.calibration, source), out);
  if (json) {
    const { calibration } = found;
    writeJson(io.stdout, {
      runs: runs.length,
      calibration,
      software: cluster.software,
      meanError: errors,
      ...(out === undefined ? {} : { file: out }),
    });
    return;
  }
  const style = { colour: wantsColour(io.stdout), columns: columnsOf(io.stdout) };
  const constants = works.map(([work, name]) => `${name} ${formatPercent(found.calibration[work])}`);
  for (const line of [
    formatTable({
      head: ['run', 'layout', 'measured', 'predicted', 'calibrated', 'by the others'],
      rows: found.runs.map(({ id, scenario, measuredSeconds, before, after, leftOut }) => [
        id,
        printLayout(scenario.layout),
        formatSeconds(measuredSeconds),
        ...[before, after, leftOut].map((seconds) => `${formatSeconds(seconds)} ${off(seconds / measuredSeconds)}`),
      ]),
      align: ['left', 'left', 'right', 'right', 'right', 'right'],
      ...style,
    }),
    '',
    `off by ${formatPercent(errors.before)} on average, calibrated by ${formatPercent(errors.after)}; a run that was left out by ${formatPercent(errors.leaveOneOut)}`,
    `of the time that is expected: ${constants.join(', ')}`,
    softwareLine(runs, cluster.software ?? {}),
    ...skipped.map(({ id, why }) => `${id} was left out: ${why}`),
    ...(out === undefined ? [] : [`kept in ${out}, for --cluster ${out}`]),
  ])
    writeLine(io.stdout, line);
}

const works: readonly (readonly [CalibratedWork, string])[] = [
  ['products', 'products'],
  ['memory', 'memory'],
  ['node', 'links of a node'],
  ['network', 'network'],
];

const off = (ratio: number): string => `${ratio < 1 ? '−' : '+'}${formatPercent(Math.abs(ratio - 1))}`;

const meanError = (runs: readonly CalibratedRun[], which: 'before' | 'after' | 'leftOut'): number =>
  runs.reduce((sum, run) => sum + Math.abs(run[which] / run.measuredSeconds - 1), 0) / runs.length;

interface Runs {
  readonly runs: readonly MeasuredRun[];
  readonly skipped: readonly { readonly id: string; readonly why: string }[];
}

function runsIn(paths: readonly string[]): Runs {
  const runs: MeasuredRun[] = [];
  const skipped: { id: string; why: string }[] = [];
  for (const path of paths) {
    const { kind, rows } = readTable(path);
    if (kind !== 'training') invalid(path, 'it is no table of training', 'give one as accuracy --help says');
    for (const [at, row] of rows.entries()) {
      const id = row.id ?? `row ${at + 1}`;
      const found = runOf(id, row);
      if (typeof found === 'string') skipped.push({ id, why: found });
      else runs.push(found);
    }
  }
  const [first] = skipped;
  if (runs.length === 0)
    invalid(
      paths.join(', '),
      first ? `no row can be predicted: of ${first.id}, ${first.why}` : 'it has no rows',
      'give rows of training with their model, devices, layout and step time',
    );
  return { runs, skipped };
}

/** @returns why there is none, in words that follow `row:` */
function runOf(id: string, row: Row): MeasuredRun | string {
  const found = trainingCase(row);
  if (typeof found === 'string') return found;
  const { scenarios, measured } = found;
  if (measured.stepSeconds === undefined) return 'it does not say how long a step took';
  try {
    const { scenario } = firstThatFits(scenarios, (each) => predictTraining(each, fittedCosts));
    return { id, scenario, measuredSeconds: measured.stepSeconds };
  } catch (error) {
    // What no layout can be is said by those who check it.
    if (error instanceof FivefoldError) return error.message;
    throw error;
  }
}

/** The largest of the runs', with the software that most of them had: all are to be of one kind of device. */
function clusterOf(runs: readonly MeasuredRun[], paths: readonly string[]): Cluster {
  const clusters = runs.map(({ scenario }) => scenario.cluster);
  const devices = [...new Set(clusters.map(({ device }) => device.name))];
  if (devices.length > 1)
    invalid(paths.join(', '), `its runs are on ${devices.join(' and ')}`, 'give those of one kind of device at a time');
  const largest = clusters.reduce((most, each) => (each.devices > most.devices ? each : most));
  return { ...largest, software: commonest(changesOf(runs)) };
}

const changesOf = (runs: readonly MeasuredRun[]): SoftwareChange[] =>
  runs.map(({ scenario }) => changeOf(scenario.software));

const timesOf = (change: SoftwareChange, changes: readonly SoftwareChange[]): number =>
  changes.filter((each) => isDeepStrictEqual(each, change)).length;

const commonest = (changes: readonly SoftwareChange[]): SoftwareChange =>
  changes.reduce((most, each) => (timesOf(each, changes) > timesOf(most, changes) ? each : most));

function softwareLine(runs: readonly MeasuredRun[], software: SoftwareChange): string {
  const how = Object.entries(software).map(([key, value]) => `${key} ${value}`);
  return `software of ${timesOf(software, changesOf(runs))} of the ${runs.length}, kept with it: ${how.length === 0 ? 'well tuned' : how.join(', ')}`;
}

const invalid = (path: string, problem: string, fix: string): never => fail('TABLE_INVALID', { path, problem, fix });

async function fitted(runs: readonly MeasuredRun[], quiet: boolean, io: CliIo) {
  const showing = showPreparing(quiet, io);
  const working = calibrate(runs, fittedCosts);
  try {
    for (;;) {
      const next = working.next();
      if (next.done) return next.value;
      showing.show(`calibrating: prediction ${next.value.done + 1} of ${next.value.total}`);
      await setImmediate();
      throwIfStopped(io);
    }
  } finally {
    showing.end();
  }
}
