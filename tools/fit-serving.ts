// Fits what is the engines' own in serving (src/plan/serving/engine-times.ts) to measured rows, half of which are held out, and shows errors.
//   npx tsx tools/fit-serving.ts <folder of tables> [--fit] [--rows] [--steady]
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { servingCase } from '../src/plan/accuracy/serving-row.ts';
import { parseTable, type Row } from '../src/plan/accuracy/table.ts';
import { talkSeconds } from '../src/plan/cost/collectives.ts';
import { kernelSeconds } from '../src/plan/cost/kernels.ts';
import { deploy } from '../src/plan/serving/deployed.ts';
import { engineTimes } from '../src/plan/serving/engine-times.ts';
import { type EngineName, type EngineTimes, engineNames } from '../src/plan/serving/engines.ts';
import type { ServingCosts } from '../src/plan/serving/iteration.ts';
import { servingPredictor } from '../src/plan/serving/predict-serving.ts';
import type { ServingPrediction, ServingScenario } from '../src/plan/serving/scenario.ts';
import { steadyServing } from '../src/plan/serving/steady-serving.ts';

const [folder = '', ...flags] = process.argv.slice(2);

interface Measured {
  readonly scenario: ServingScenario;
  readonly secondsToFirstToken: number;
  readonly secondsPerOutputToken: number;
  readonly row: Row;
}

const name = 'inference-aic-silicon.csv';
const table = parseTable(name, readFileSync(join(folder, name), 'utf8')).rows;
const skipped = new Map<string, number>();
const measured: Measured[] = [];
for (const row of table) {
  const made = servingCase('latencies', row);
  if (typeof made === 'string') skipped.set(made, (skipped.get(made) ?? 0) + 1);
  else
    measured.push({
      row,
      scenario: made.scenario,
      secondsPerOutputToken: made.measured,
      secondsToFirstToken: made.secondsToFirstToken ?? Number.NaN,
    });
}
console.log(`${measured.length} of ${table.length} rows`);
for (const [why, count] of [...skipped].sort((a, b) => b[1] - a[1])) console.log(`  ${count} skipped: ${why}`);

/** Half of the layouts, whatever the load. */
function isHeldOut({ row }: Measured): boolean {
  let hash = 2166136261;
  const parts = [
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
  for (const character of parts.map((part) => row[part]).join())
    hash = Math.imul(hash ^ character.charCodeAt(0), 16777619);
  return ((hash ^ (hash >>> 15)) & 1) === 1;
}

const costsOf = (times: Readonly<Record<EngineName, EngineTimes>>): ServingCosts => ({
  kernelSeconds: (kernel, device, formats) => kernelSeconds(kernel, device, formats),
  talkSeconds,
  engineTimes: times,
});

interface Judged {
  readonly measured: Measured;
  readonly prediction: ServingPrediction;
  readonly perToken: number;
  readonly throughput: number;
  readonly first: number;
}

function judge(each: Measured, prediction: ServingPrediction): Judged {
  const { scenario, secondsPerOutputToken, secondsToFirstToken } = each;
  const { outputTokens, shortest = 1 } = scenario.lengths;
  const tokens = (outputTokens * (1 + shortest)) / 2;
  const concurrency = scenario.load.kind === 'closed' ? scenario.load.concurrency : 1;
  const rate = (concurrency * tokens) / (secondsToFirstToken + secondsPerOutputToken * (tokens - 1));
  return {
    measured: each,
    prediction,
    perToken: prediction.secondsPerOutputToken.mean / secondsPerOutputToken - 1,
    throughput: prediction.outputTokensPerSecond / rate - 1,
    first: prediction.secondsToFirstToken.mean / secondsToFirstToken - 1,
  };
}

const steadily = (scenario: ServingScenario, costs: ServingCosts): ServingPrediction => {
  const deployed = deploy(scenario, costs);
  const concurrency = scenario.load.kind === 'closed' ? scenario.load.concurrency : deployed.mostWritten;
  return steadyServing(deployed, concurrency);
};
const hasRoom = ({ scenario }: Measured, costs: ServingCosts): boolean => {
  const { readers, writers } = deploy(scenario, costs);
  return writers.instance.room > 0 && readers?.instance.room !== 0;
};

const quantile = (numbers: readonly number[], share: number): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
};

function show(name: string, judged: readonly Judged[]): void {
  const fitting = judged.filter(({ prediction }) => prediction.fits);
  const of = (key: 'perToken' | 'throughput' | 'first') => {
    const errors = fitting.map((each) => each[key]);
    const sizes = errors.map(Math.abs);
    const percent = (share: number) => (100 * share).toFixed(1).padStart(5);
    return `${percent(quantile(sizes, 0.5))} p90 ${percent(quantile(sizes, 0.9))} signed ${percent(quantile(errors, 0.5))}`;
  };
  const none = judged.length - fitting.length;
  console.log(
    `${name.padEnd(58)} ${String(judged.length).padStart(5)}${none > 0 ? ` (${none} no room)` : ''}  token ${of('perToken')}  rate ${of('throughput')}  first ${of('first')}`,
  );
}

function showGroups(judged: readonly Judged[], key: (row: Row) => string): void {
  const groups = new Map<string, Judged[]>();
  for (const each of judged) {
    const name = key(each.measured.row);
    groups.set(name, [...(groups.get(name) ?? []), each]);
  }
  for (const [name, group] of [...groups].sort()) show(name, group);
}

// ---- fitting

const bounds: Readonly<Partial<Record<keyof EngineTimes, readonly [number, number, number]>>> = {
  iterationSeconds: [0, 6e-3, 2e-4],
  requestSeconds: [0, 6e-5, 2e-6],
  kernelSeconds: [-2.5e-6, 5e-6, 4e-7],
  launchSeconds: [0, 4e-5, 2e-6],
  experts: [0.8, 1.3, 0.05],
  reduceSeconds: [3e-6, 3e-5, 1e-6],
  prompts: [0.8, 2, 0.05],
};

function lossOf(judged: readonly Judged[]): number {
  let sum = 0;
  for (const { perToken, throughput } of judged)
    sum += Math.min(1, Math.abs(Math.log1p(perToken))) + 0.3 * Math.min(1, Math.abs(Math.log1p(throughput)));
  return sum / judged.length;
}

const round = (value: number) => Number(value.toPrecision(3));

/** One parameter after the other, with steps that shrink. */
function fitEngine(engine: EngineName): EngineTimes {
  const rows = measured.filter(
    (each) => each.scenario.engine === engine && !isHeldOut(each) && hasRoom(each, costsOf(engineTimes)),
  );
  let times = engineTimes[engine];
  const loss = (tried: EngineTimes) => {
    const costs = costsOf({ ...engineTimes, [engine]: tried });
    return lossOf(rows.map((each) => judge(each, steadily(each.scenario, costs))));
  };
  let best = loss(times);
  console.log(`${engine}: ${rows.length} rows, loss ${best.toFixed(4)}`);
  for (let scale = 4; scale > 0.3; scale /= 2) {
    for (let improved = true; improved; ) {
      improved = false;
      for (const key of Object.keys(bounds) as (keyof EngineTimes)[]) {
        const [least, most, step] = bounds[key]!;
        for (const direction of [1, -1]) {
          for (;;) {
            const value = round(Math.min(most, Math.max(least, times[key] + direction * scale * step)));
            if (value === times[key]) break;
            const tried = { ...times, [key]: value };
            const made = loss(tried);
            if (made > best - 1e-5) break;
            best = made;
            times = tried;
            improved = true;
          }
        }
      }
    }
    console.log(`${engine}: step ${scale}, loss ${best.toFixed(4)} ${JSON.stringify(times)}`);
  }
  return times;
}

/** What answering takes, of rows with few requests under way: their seconds to the first token but for it are played. */
function fitAnswer(engine: EngineName, times: EngineTimes): EngineTimes {
  const none = { ...times, answerSeconds: 0, promptTokenSeconds: 0 };
  const costs = costsOf({ ...engineTimes, [engine]: none });
  const rows = measured.filter((each) => {
    const { engine: of, load } = each.scenario;
    return (
      of === engine && !isHeldOut(each) && load.kind === 'closed' && load.concurrency <= 16 && hasRoom(each, costs)
    );
  });
  const predict = servingPredictor(costs);
  const first = rows.map(({ scenario, secondsToFirstToken }) => ({
    played: predict(scenario).secondsToFirstToken.mean,
    inputTokens: (scenario.lengths.inputTokens * (1 + (scenario.lengths.shortest ?? 1))) / 2,
    secondsToFirstToken,
  }));
  let best = { loss: Number.POSITIVE_INFINITY, answerSeconds: 0, promptTokenSeconds: 0 };
  for (let answerSeconds = 0; answerSeconds <= 0.04; answerSeconds += 0.0025)
    for (let promptTokenSeconds = 0; promptTokenSeconds <= 3e-5; promptTokenSeconds += 1e-6) {
      const errors = first.map(({ played, inputTokens, secondsToFirstToken }) =>
        Math.abs(Math.log((played + answerSeconds + promptTokenSeconds * inputTokens) / secondsToFirstToken)),
      );
      const loss = quantile(errors, 0.5);
      if (loss < best.loss)
        best = { loss, answerSeconds: round(answerSeconds), promptTokenSeconds: round(promptTokenSeconds) };
    }
  const { loss, ...answer } = best;
  console.log(`${engine}: ${rows.length} rows, first token ${loss.toFixed(3)} ${JSON.stringify(answer)}`);
  return { ...times, ...answer };
}

let times = engineTimes;
if (flags.includes('--fit')) {
  times = Object.fromEntries(
    engineNames.map((engine) => [engine, fitAnswer(engine, fitEngine(engine))]),
  ) as typeof engineTimes;
  const text = `// Written by tools/fit-serving.ts; engines.ts says what the numbers are.\nimport type { EngineName, EngineTimes } from './engines.ts';\n\nexport const engineTimes: Readonly<Record<EngineName, EngineTimes>> = ${JSON.stringify(times, undefined, 2)};\n`;
  writeFileSync(new URL('../src/plan/serving/engine-times.ts', import.meta.url), text);
}

const costs = costsOf(times);
const predict = servingPredictor(costs);
const start = Date.now();
const judged = measured.map((each) =>
  judge(
    each,
    flags.includes('--steady') && hasRoom(each, costs) ? steadily(each.scenario, costs) : predict(each.scenario),
  ),
);
console.log(`${Date.now() - start} ms`);
show('all', judged);
show(
  'fitted',
  judged.filter((each) => !isHeldOut(each.measured)),
);
show(
  'held out',
  judged.filter((each) => isHeldOut(each.measured)),
);
showGroups(judged, (row) => row.backend!);
showGroups(judged, (row) => row.mode!);
showGroups(judged, (row) => row.system!);
const concurrencyClass = (row: Row) => [8, 32, 128, 512].find((most) => Number(row.concurrency) <= most) ?? 'more';
showGroups(
  judged,
  (row) =>
    `${row.backend} ${Number(row.isl) > 2 * Number(row.osl) ? 'long prompts' : Number(row.osl) > 2 * Number(row.isl) ? 'long answers' : 'alike'} c<=${concurrencyClass(row)}`,
);
showGroups(
  judged,
  (row) => `${row.backend} ${row.model_path!.split('/')[1]} ${row.system} ${row.precision} ${row.mode}`,
);
if (flags.includes('--rows')) {
  for (const {
    measured: { row, scenario, secondsPerOutputToken: perToken },
    prediction,
    ...errors
  } of judged) {
    const { decodeIteration: d, running } = prediction;
    const ms = (seconds: number) => (1e3 * seconds).toFixed(1);
    const pool = scenario.deployment.kind === 'aggregated' ? scenario.deployment.pool : scenario.deployment.decode;
    const { tp, dp, ep } = pool.layout;
    const percent = (share: number) => (100 * share).toFixed(0);
    console.log(
      `${row.backend} ${row.model_path!.split('/')[1]} ${row.system} ${row.precision} ${row.mode} ${row.isl}x${row.osl} tp${tp} dp${dp} ep${ep} c${row.concurrency} | ${percent(errors.perToken)} ${percent(errors.throughput)} ${percent(errors.first)} | token ${ms(prediction.secondsPerOutputToken.mean)} of ${ms(perToken)} | iteration ${ms(d.total)}: products ${ms(d.products - d.experts)} experts ${ms(d.experts)} attention ${ms(d.attention)} other ${ms(d.other)} talk ${ms(d.collectives)} own ${ms(d.overhead)}; running ${running.toFixed(0)} first ${ms(prediction.secondsToFirstToken.mean)} of ${Number(row.silicon_ttft_ms).toFixed(0)}`,
    );
  }
}
