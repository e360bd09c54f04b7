// Measured rows of served requests, and how far off their predictions are.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { servingCase } from '../../src/plan/accuracy/serving-row.ts';
import { parseTable, type Row } from '../../src/plan/accuracy/table.ts';
import { deploy } from '../../src/plan/serving/deployed.ts';
import type { ServingCosts } from '../../src/plan/serving/iteration.ts';
import { meanLengths } from '../../src/plan/serving/lengths.ts';
import type { ServingPrediction, ServingScenario } from '../../src/plan/serving/scenario.ts';
import { steadyServing } from '../../src/plan/serving/steady-serving.ts';

export interface Measured {
  readonly scenario: ServingScenario;
  readonly concurrency: number;
  readonly secondsToFirstToken: number;
  readonly secondsPerOutputToken: number;
  readonly row: Row;
}

/** Rows of the table that can be predicted; says on the terminal how many are not, and why. */
export function readMeasured(folder: string): Measured[] {
  const name = 'inference-aic-silicon.csv';
  const { rows } = parseTable(name, readFileSync(join(folder, name), 'utf8'));
  const skipped = new Map<string, number>();
  const measured = rows.flatMap((row): Measured[] => {
    const made = servingCase('latencies', row);
    if (typeof made === 'string') {
      skipped.set(made, (skipped.get(made) ?? 0) + 1);
      return [];
    }
    const { scenario, measured } = made;
    const {
      timePerOutputToken: secondsPerOutputToken = Number.NaN,
      timeToFirstToken: secondsToFirstToken = Number.NaN,
    } = measured;
    return [{ row, scenario, concurrency: Number(row.concurrency), secondsPerOutputToken, secondsToFirstToken }];
  });
  console.log(`${measured.length} of ${rows.length} rows`);
  for (const [why, count] of [...skipped].sort((a, b) => b[1] - a[1])) console.log(`  ${count} skipped: ${why}`);
  return measured;
}

const ofLayout = ['backend', 'model_path', 'system', 'precision', 'isl', 'osl', 'tp_size', 'attention_dp_size'];

/** Half of the layouts, whatever the load. */
export function isHeldOut({ row }: Measured): boolean {
  let hash = 2166136261;
  for (const character of [...ofLayout, 'moe_ep_size'].map((part) => row[part]).join())
    hash = Math.imul(hash ^ character.charCodeAt(0), 16777619);
  return ((hash ^ (hash >>> 15)) & 1) === 1;
}

export interface Judged {
  readonly measured: Measured;
  readonly prediction: ServingPrediction;
  /** Errors as fractions: of seconds an output token, of output tokens a second, of seconds to the first token. */
  readonly perToken: number;
  readonly throughput: number;
  readonly first: number;
}

export function judge(measured: Measured, prediction: ServingPrediction): Judged {
  const { scenario, concurrency, secondsPerOutputToken, secondsToFirstToken } = measured;
  const { outputTokens } = meanLengths(scenario.lengths);
  const rate = (concurrency * outputTokens) / (secondsToFirstToken + secondsPerOutputToken * (outputTokens - 1));
  return {
    measured,
    prediction,
    perToken: prediction.secondsPerOutputToken.mean / secondsPerOutputToken - 1,
    throughput: prediction.outputTokensPerSecond / rate - 1,
    first: prediction.secondsToFirstToken.mean / secondsToFirstToken - 1,
  };
}

/** By arithmetic: much quicker than a play. */
export const judgeSteadily = (measured: Measured, costs: ServingCosts): Judged =>
  judge(measured, steadyServing(deploy(measured.scenario, costs), measured.concurrency));

export function hasRoom({ scenario }: Measured, costs: ServingCosts): boolean {
  const { readers, writers } = deploy(scenario, costs);
  return writers.instance.room > 0 && readers?.instance.room !== 0;
}

export const quantile = (numbers: readonly number[], share: number): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
};
