// Predicted against measured steps of this project's own runtime, on two ranks of this machine: `npx tsx bench/local.ts [--rounds <n>] [--steps <n>]`.
// The machine is measured before and after every round of runs, and each layout predicted from both. Bytes, FLOPs and memory are those of the planner's summaries.
import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { findModel, type ModelSource } from '../src/checkpoint/model-source.ts';
import { formatTable } from '../src/cli/ui/table.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { replicasOf } from '../src/mesh/mesh.ts';
import { plainRouter } from '../src/model/router.ts';
import { fittedCosts } from '../src/plan/cost/fitted-costs.ts';
import { measuredCluster } from '../src/plan/hardware/measured-cluster.ts';
import type { MeasuredMachine } from '../src/plan/hardware/measured-machine.ts';
import { type BytesSent, timesBytes } from '../src/plan/predict-step.ts';
import { ownRuntime } from '../src/plan/software/software.ts';
import { estimate } from '../src/plan/summary/estimate.ts';
import { predictTraining, stepSettings } from '../src/plan/training/predict-training.ts';
import { mixedPrecision, type TrainingScenario, widthsOf } from '../src/plan/training/scenario.ts';
import { createPool, type WorldPool } from '../src/runtime/world-pool.ts';
import { calibrate } from '../src/train/calibration/calibrate.ts';
import type { TrainSummary } from '../src/train/launch.ts';
import { train } from '../src/train/train.ts';
import { formatPercent, formatSeconds } from '../src/units.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { median, withTokens } from './model.ts';

interface Case {
  readonly layout: keyof typeof marks.local;
  readonly model?: ModelSource;
  readonly routing?: 'experts';
}

/** Of widths that calibration does not time. */
const dense = findModel('llama-medium', [
  'num_hidden_layers=4',
  'hidden_size=384',
  'num_attention_heads=6',
  'num_key_value_heads=6',
  'intermediate_size=1056',
]);
/** Of other sizes than those that calibration times. Its experts choose, so that ranks have as much to do. */
const mixture = findModel('mixtral-tiny', ['hidden_size=256', 'intermediate_size=704']);
const cases: readonly Case[] = (Object.keys(marks.local) as Case['layout'][]).map((layout) =>
  layout === 'ep=2' ? { layout, model: mixture, routing: 'experts' } : { layout },
);
const shape = { seqLen: 512, microBatch: 1, globalBatch: 4 };

interface Sample {
  /** Of the steps after the first. */
  readonly seconds: readonly number[];
  /** Share of the steps in which the ranks waited for a core; undefined where the system does not tell. */
  readonly waited: number | undefined;
  readonly isExact: boolean;
  /** Predicted peak memory over that of the rank which it is furthest from. */
  readonly memory: number;
}

function scenarioOf({ layout: text, model = dense, routing }: Case): Omit<TrainingScenario, 'cluster'> {
  const layout = parseLayout(text);
  return {
    config: model.config,
    layout,
    seqLen: shape.seqLen,
    microBatch: shape.microBatch,
    microbatches: shape.globalBatch / shape.microBatch / replicasOf(layout),
    formats: mixedPrecision('fp32'),
    software: ownRuntime,
    ...(routing ? { router: { ...plainRouter, routing } } : {}),
  };
}

async function sampleOf(each: Case, data: string, pool: WorldPool): Promise<Sample> {
  const { layout: text, model = dense, routing } = each;
  const before = waitedSeconds();
  const summary = await train({
    ...shape,
    model,
    data,
    layout: parseLayout(text),
    precision: 'f32',
    steps: Number(values.steps),
    learningRate: 3e-4,
    seed: 1,
    pool,
    ...(routing ? { routing } : {}),
  });
  const after = waitedSeconds();
  const seconds = summary.steps.map((step) => step.seconds);
  const all = seconds.reduce((a, b) => a + b, 0);
  return {
    seconds: seconds.slice(1),
    waited: before === undefined || after === undefined ? undefined : (after - before) / 2 / all,
    ...comparedCounts(scenarioOf(each), summary),
  };
}

function comparedCounts(
  scenario: Omit<TrainingScenario, 'cluster'>,
  summary: TrainSummary,
): Pick<Sample, 'isExact' | 'memory'> {
  const steps = summary.steps.length;
  const compared = estimate(stepSettings(scenario), widthsOf(scenario.formats)).map((expected) => {
    const { rank, bytesSent, flops, state, ownBytes, livePeakBytes } = expected;
    const counted = summary.ranks[rank]!;
    const held = state.weights + state.gradients + state.optimizer + ownBytes + livePeakBytes;
    const isExact =
      counted.flops === steps * flops && sorted(timesBytes(bytesSent, steps)) === sorted(summary.bytesSent[rank]!);
    return { isExact, memory: held / counted.peakBytes };
  });
  return {
    isExact: compared.every(({ isExact }) => isExact),
    memory: compared.map(({ memory }) => memory).reduce((a, b) => (Math.abs(b - 1) > Math.abs(a - 1) ? b : a)),
  };
}

/** As text, whatever the order of its keys; nothing sent is left out. */
const sorted = (bytes: BytesSent): string =>
  Object.entries(bytes)
    .flatMap(([axis, ops]) => Object.entries(ops ?? {}).map(([op, count]) => `${axis} ${op} ${count}`))
    .filter((text) => !text.endsWith(' 0'))
    .sort()
    .join();

/** Of all threads of this process, since they began (Linux). */
function waitedSeconds(): number | undefined {
  try {
    const threads = readdirSync('/proc/self/task');
    const of = (thread: string) => Number(readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ')[1]);
    return threads.reduce((sum, thread) => sum + of(thread), 0) / 1e9;
  } catch {
    return undefined;
  }
}

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, steps: { type: 'string', default: '8' } },
});
const samples = new Map(cases.map((each) => [each.layout, [] as Sample[]]));
const machines: MeasuredMachine[] = [];
const pool = createPool();
await withTokens(async (data) => {
  const say = (what: string) => process.stderr.write(`local: ${what}\n`);
  const measure = async () => {
    say('the machine');
    machines.push(await calibrate({ pool }));
  };
  await measure();
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const each of cases) {
      say(`round ${round} of ${values.rounds}, ${each.layout}`);
      samples.get(each.layout)!.push(await sampleOf(each, data, pool));
    }
    await measure();
  }
});
await pool.close();

/** Medians, as calibration takes them. */
const measuredOf = (layout: Case['layout']): number => median(samples.get(layout)!.flatMap(({ seconds }) => seconds));
/** By the machine as it was at that time. */
const predictedAt = (layout: Case['layout'], at: number): number => {
  const scenario = scenarioOf(cases.find((each) => each.layout === layout)!);
  return predictTraining({ ...scenario, cluster: measuredCluster(machines[at]!, 2) }, fittedCosts).stepSeconds;
};
const predictedOf = (layout: Case['layout']): number => median(machines.map((_, at) => predictedAt(layout, at)));
/** A shared machine changes its pace: every round is predicted by the measurements before it and after it. */
const ratioOf = (layout: Case['layout']): number =>
  median(
    samples
      .get(layout)!
      .map(({ seconds }, round) => (predictedAt(layout, round) + predictedAt(layout, round + 1)) / 2 / median(seconds)),
  );
const memoryOf = (layout: Case['layout']): number => samples.get(layout)![0]!.memory;
const isExact = (layout: Case['layout']): boolean => samples.get(layout)!.every((sample) => sample.isExact);

const rows = cases.map(({ layout }) => {
  const all = samples.get(layout)!;
  const waited = all.flatMap((sample) => sample.waited ?? []);
  return [
    layout,
    formatSeconds(predictedOf(layout)),
    formatSeconds(measuredOf(layout)),
    all.map(({ seconds }) => formatSeconds(median(seconds))).join(', '),
    ratioOf(layout).toFixed(3),
    waited.length > 0 ? formatPercent(median(waited)) : '-',
    isExact(layout) ? 'equal' : 'others',
    memoryOf(layout).toFixed(4),
  ];
});
const head = [
  'layout',
  'predicted',
  'measured',
  'by round',
  'predicted over measured',
  'waited for a core',
  'bytes, FLOPs',
  'memory',
];
console.log(`${formatTable({ head, rows })}\n`);
printVerdicts([
  ...judge(marks.local, ratioOf),
  {
    name: 'layouts with other bytes or FLOPs',
    bounds: marks.localCounts,
    figure: cases.filter(({ layout }) => !isExact(layout)).length,
  },
  ...cases.map(({ layout }) => ({ name: `memory, ${layout}`, bounds: marks.localMemory, figure: memoryOf(layout) })),
]);
