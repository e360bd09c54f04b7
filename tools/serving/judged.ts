// Measured rows of served requests, and how far off their predictions are.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ServingMetric, servingMetrics } from '../../src/plan/accuracy/figures.ts';
import { type ServingMeasured, servingCase } from '../../src/plan/accuracy/serving-row.ts';
import { parseTable, type Row } from '../../src/plan/accuracy/table.ts';
import { deploy } from '../../src/plan/serving/deployed.ts';
import type { ServingCosts } from '../../src/plan/serving/iteration.ts';
import type { ServingPrediction, ServingScenario } from '../../src/plan/serving/scenario.ts';
import { steadyServing } from '../../src/plan/serving/steady-serving.ts';

export interface Measured {
  readonly scenario: ServingScenario;
  readonly measured: ServingMeasured;
  readonly row: Row;
}

const tables = [
  ['inference-aic-silicon.csv', 'latencies'],
  ['inference-trtllm.csv', 'throughputs'],
] as const;

/** Rows of the tables that can be predicted; says on the terminal how many are not, and why. */
export const readMeasured = (folder: string): Measured[] =>
  tables.flatMap(([name, kind]) => {
    const { rows } = parseTable(name, readFileSync(join(folder, name), 'utf8'));
    const skipped = new Map<string, number>();
    const found = rows.flatMap((row): Measured[] => {
      const made = servingCase(kind, row);
      if (typeof made !== 'string') return [{ row, scenario: made.scenario, measured: made.measured }];
      skipped.set(made, (skipped.get(made) ?? 0) + 1);
      return [];
    });
    console.log(`${name}: ${found.length} of ${rows.length} rows`);
    for (const [why, count] of [...skipped].sort((a, b) => b[1] - a[1])) console.log(`  ${count} skipped: ${why}`);
    return found;
  });

const ofLatencies = [
  'backend',
  'model_path',
  'system',
  'precision',
  'isl',
  'osl',
  'tp_size',
  'attention_dp_size',
  'moe_ep_size',
];
const ofThroughputs = ['engine', 'model', 'gpu', 'precision', 'isl', 'osl', 'parallelism'];

/** Half of the layouts, whatever the load. */
export function isHeldOut({ row }: Measured): boolean {
  let hash = 2166136261;
  const parts = row.backend === undefined ? ofThroughputs : ofLatencies;
  for (const character of parts.map((part) => row[part]).join())
    hash = Math.imul(hash ^ character.charCodeAt(0), 16777619);
  return ((hash ^ (hash >>> 15)) & 1) === 1;
}

/** Errors as fractions of what was measured. */
export interface Judged {
  readonly measured: Measured;
  readonly prediction: ServingPrediction;
  readonly errors: Readonly<Partial<Record<ServingMetric, number>>>;
}

export function judge(measured: Measured, prediction: ServingPrediction): Judged {
  const predicted: Readonly<Record<ServingMetric, number>> = {
    timeToFirstToken: prediction.secondsToFirstToken.mean,
    timePerOutputToken: prediction.secondsPerOutputToken.mean,
    throughput: prediction.outputTokensPerSecond,
  };
  const errors = servingMetrics.flatMap((metric) => {
    const value = measured.measured[metric];
    return value === undefined ? [] : [[metric, predicted[metric] / value - 1]];
  });
  return { measured, prediction, errors: Object.fromEntries(errors) };
}

/** By arithmetic: much quicker than a play. Requests that are queued at once run in waves, of which the last is not full. */
export function judgeSteadily(measured: Measured, costs: ServingCosts): Judged {
  const deployed = deploy(measured.scenario, costs);
  const requests = requestsOf(measured);
  const waves = Math.ceil(requests / deployed.mostWritten);
  const isOffline = measured.scenario.load.kind === 'recorded';
  return judge(measured, steadyServing(deployed, isOffline ? requests / waves : requests));
}

/** Under way at once, or in all where they are queued. */
export const requestsOf = ({ scenario: { load } }: Measured): number =>
  load.kind === 'closed' ? load.concurrency : load.kind === 'recorded' ? load.arrivals.length : Number.NaN;

export function hasRoom({ scenario }: Measured, costs: ServingCosts): boolean {
  const { readers, writers } = deploy(scenario, costs);
  return writers.instance.room > 0 && readers?.instance.room !== 0;
}

export const quantile = (numbers: readonly number[], share: number): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
};
