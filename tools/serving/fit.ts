// Finds what is the engines' own: one parameter after the other, with steps that shrink.
import { fittedCosts } from '../../src/plan/cost/fitted-costs.ts';
import { kernelSeconds } from '../../src/plan/cost/kernels.ts';
import { type EngineName, type EngineTimes, engineNames } from '../../src/plan/serving/engines.ts';
import type { ServingCosts } from '../../src/plan/serving/iteration.ts';
import { meanLengths } from '../../src/plan/serving/lengths.ts';
import { servingPredictor } from '../../src/plan/serving/predict-serving.ts';
import {
  hasRoom,
  isHeldOut,
  type Judged,
  judge,
  judgeSteadily,
  type Measured,
  quantile,
  requestsOf,
} from './judged.ts';

/** What is fitted. */
export interface Fitted {
  readonly engineTimes: Readonly<Record<EngineName, EngineTimes>>;
  readonly routingSkew: number;
}

export const costsOf = (fitted: Fitted): ServingCosts => ({ ...fittedCosts, kernelSeconds, ...fitted });

/** Least, most and a step of each that is moved. */
const bounds = {
  iterationSeconds: [0, 6e-3, 2e-4],
  requestSeconds: [0, 6e-5, 2e-6],
  kernelSeconds: [-2.5e-6, 5e-6, 4e-7],
  launchSeconds: [0, 4e-5, 2e-6],
  experts: [0.5, 2.5, 0.05],
  narrowExperts: [0.5, 2.5, 0.05],
  widenedExperts: [0.5, 3, 0.1],
  reduceSeconds: [3e-6, 3e-5, 1e-6],
  prompts: [0.8, 2, 0.05],
} as const satisfies Partial<Record<keyof EngineTimes, readonly [number, number, number]>>;
const moved = Object.keys(bounds) as (keyof typeof bounds)[];

/** Of what cannot be explained at all no more counts than a factor of e. Where time is measured, throughput counts beside it for less. */
function lossOf(judged: readonly Judged[]): number {
  const size = (error: number | undefined) => (error === undefined ? 0 : Math.min(1, Math.abs(Math.log1p(error))));
  const lossOfRow = ({ errors: { timePerOutputToken, throughput } }: Judged): number =>
    timePerOutputToken === undefined ? size(throughput) : size(timePerOutputToken) + 0.3 * size(throughput);
  return judged.reduce((sum, each) => sum + lossOfRow(each), 0) / judged.length;
}

const round = (value: number): number => Number(value.toPrecision(3));

/** Rows that are quick to play. */
const isQuick = (measured: Measured, index: number): boolean => index % 2 === 0 && requestsOf(measured) <= 128;

const withTimes = (fitted: Fitted, engine: EngineName, times: EngineTimes): Fitted => ({
  ...fitted,
  engineTimes: { ...fitted.engineTimes, [engine]: times },
});

const rowsOf = (measured: readonly Measured[], fitted: Fitted): Measured[] =>
  measured.filter((each) => !isHeldOut(each) && hasRoom(each, costsOf(fitted)));

/** First by arithmetic, in the end by playing: bursts and queues are in plays, as they are in what was measured. */
export function fitEngine(measured: readonly Measured[], engine: EngineName, from: Fitted): Fitted {
  const rows = rowsOf(measured, from).filter(({ scenario }) => scenario.engine === engine);
  const quick = rows.filter(isQuick);
  let fitted = fitAnswer(rows, engine, from);
  const passes = [
    [4, false],
    [2, false],
    [1, false],
    [2, true],
  ] as const;
  for (const [scale, played] of passes) {
    const loss = (tried: Fitted): number => {
      const costs = costsOf(tried);
      const predict = servingPredictor(costs);
      return lossOf(
        played
          ? quick.map((each) => judge(each, predict(each.scenario)))
          : rows.map((each) => judgeSteadily(each, costs)),
      );
    };
    const found = descend(fitted, engine, scale, loss, played ? 1 : 10);
    fitted = found.fitted;
    const count = (played ? quick : rows).length;
    console.log(`${engine}: ${count} rows, step ${scale}, loss ${found.loss.toFixed(4)}`);
  }
  return fitted;
}

/** Moves each parameter as long as that helps, in so many rounds at most. */
function descend(from: Fitted, engine: EngineName, scale: number, lossBy: (fitted: Fitted) => number, rounds: number) {
  let fitted = from;
  let loss = lossBy(fitted);
  for (let round = 0, before = Number.POSITIVE_INFINITY; round < rounds && loss < before; round++) {
    before = loss;
    for (const key of moved)
      for (const direction of [1, -1])
        for (let next = step(fitted, engine, key, direction * scale); next; ) {
          const made = lossBy(next);
          if (made > loss - 1e-5) break;
          [fitted, loss] = [next, made];
          next = step(fitted, engine, key, direction * scale);
        }
  }
  return { fitted, loss };
}

/** Undefined where it is at its bound. */
function step(fitted: Fitted, engine: EngineName, key: keyof typeof bounds, by: number): Fitted | undefined {
  const times = fitted.engineTimes[engine];
  const [least, most, size] = bounds[key];
  const value = round(Math.min(most, Math.max(least, times[key] + by * size)));
  return value === times[key] ? undefined : withTimes(fitted, engine, { ...times, [key]: value });
}

/** What answering takes, of rows with few requests under way: their seconds to the first token but for it are played. */
function fitAnswer(rows: readonly Measured[], engine: EngineName, fitted: Fitted): Fitted {
  const times = { ...fitted.engineTimes[engine], answerSeconds: 0, promptTokenSeconds: 0 };
  const predict = servingPredictor(costsOf(withTimes(fitted, engine, times)));
  const few = rows.filter((each) => requestsOf(each) <= 64);
  const first = few.map(({ scenario, measured: { timeToFirstToken: secondsToFirstToken = Number.NaN } }) => ({
    played: predict(scenario).secondsToFirstToken.mean,
    inputTokens: meanLengths(scenario.lengths).inputTokens,
    secondsToFirstToken,
  }));
  let best = { loss: Number.POSITIVE_INFINITY, times };
  for (let answerSeconds = 0; answerSeconds <= 0.02; answerSeconds += 0.0025)
    for (let promptTokenSeconds = 0; promptTokenSeconds <= 1.2e-5; promptTokenSeconds += 1e-6) {
      const errors = first.map(({ played, inputTokens, secondsToFirstToken }) =>
        Math.abs(Math.log((played + answerSeconds + promptTokenSeconds * inputTokens) / secondsToFirstToken)),
      );
      const loss = quantile(errors, 0.5);
      const tried = { ...times, answerSeconds: round(answerSeconds), promptTokenSeconds: round(promptTokenSeconds) };
      if (loss < best.loss) best = { loss, times: tried };
    }
  console.log(`${engine}: ${few.length} rows, first token ${best.loss.toFixed(3)}`);
  return withTimes(fitted, engine, best.times);
}

/** How unequally experts are liked: with what engines make of experts' products found for each that is tried. */
export function fitSkew(measured: readonly Measured[], from: Fitted): Fitted {
  const rows = rowsOf(measured, from).filter(({ scenario }) => scenario.model.mixture);
  const tried = [0, 0.4, 0.6, 0.8, 1].map((routingSkew) => {
    let fitted: Fitted = { ...from, routingSkew };
    let loss = 0;
    for (const engine of engineNames) {
      const own = rows.filter(({ scenario }) => scenario.engine === engine);
      const found = bestExperts(own, engine, fitted);
      fitted = found.fitted;
      loss += (found.loss * own.length) / rows.length;
    }
    console.log(`skew ${routingSkew}: ${rows.length} rows, loss ${loss.toFixed(4)}`);
    return { fitted, loss };
  });
  return tried.reduce((best, each) => (each.loss < best.loss ? each : best)).fitted;
}

function bestExperts(rows: readonly Measured[], engine: EngineName, from: Fitted) {
  let [fitted, loss] = [from, Number.POSITIVE_INFINITY];
  for (const key of ['experts', 'narrowExperts', 'widenedExperts'] as const)
    for (let factor = 0.7; factor < 1.75; factor += 0.1) {
      const next = withTimes(fitted, engine, { ...fitted.engineTimes[engine], [key]: round(factor) });
      const costs = costsOf(next);
      const made = lossOf(rows.map((each) => judgeSteadily(each, costs)));
      if (made < loss) [fitted, loss] = [next, made];
    }
  return { fitted, loss };
}
