// Training speed, in turns: one rank against ONNX Runtime's MatMul, two ranks against one, and PyTorch where a Python that has it is
// given: `npx tsx bench/training.ts [--python <path>] [--rounds <n>] [--steps <n>]`.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { ModelSource } from '../src/checkpoint/model-source.ts';
import { formatTable } from '../src/cli/ui/table.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import { play } from '../src/schedule/play.ts';
import { scheduleOf } from '../src/schedule/schedules.ts';
import type { TrainSummary } from '../src/train/launch.ts';
import { formatFlopsPerSecond, formatPercent } from '../src/units.ts';
import { judge, marks, printVerdicts, type Verdict } from './marks.ts';
import { type MatMulBench, openMatMulBench } from './matmul.ts';
import { benchModel, benchShape, median, speedOf, trainFor, wideModel, withTokens } from './model.ts';
import { type TorchRun, trainWithTorch } from './torch.ts';

/** Of two ranks, each with what it is run on. */
const layouts = ['dp=2', 'dp=2,zero=1', 'dp=2,zero=3', 'tp=2,sp', 'pp=2', 'pp=2,schedule=zb-h1'];

const models = [
  { name: '320 tokens', model: benchModel },
  { name: '32,000 tokens', model: wideModel },
];

const oneThread = (model: string) => `${model}, 1 thread against one rank`;
const twoThreads = (model: string, layout: string) => `${model}, 2 threads against ${layout}`;

interface OneRank {
  readonly tokensPerSecond: number;
  readonly modelFlopsPerSecond: number;
  /** Of the bare MatMuls, before and after; far: on operands that are not in the cache. */
  readonly matMulFlopsPerSecond: number;
  readonly farFlopsPerSecond: number;
  readonly setupSeconds: number;
}

interface TwoRanks {
  readonly tokensPerSecond: number;
  /** Speed over that of one rank in the same round. */
  readonly speedup: number;
  readonly communicationShare: number;
}

/** PyTorch on as many threads as ranks, beside them in every round. */
interface BesideTorch extends TorchRun {
  /** Our speed over PyTorch's. */
  readonly ratio: number;
}

/** Samples of each round, by model, by layout, and by what PyTorch is compared with. */
export interface TrainingResult {
  readonly oneRank: ReadonlyMap<string, readonly OneRank[]>;
  readonly twoRanks: ReadonlyMap<string, readonly TwoRanks[]>;
  readonly torch: ReadonlyMap<string, readonly BesideTorch[]>;
}

/** Two ranks, or less where a pipeline's stages must wait. */
function allowedSpeedup(layout: string): number {
  const parsed = parseLayout(layout);
  const { pp, dp, tp } = parsed;
  if (pp === 1) return dp * tp;
  const played = play(scheduleOf(parsed, benchShape.globalBatch / benchShape.microBatch), {
    workSeconds: (_, { kind }) => (kind === 'backward' ? 2 : 1),
  });
  return pp * (1 - played.bubbleFraction);
}

export interface TrainingBench {
  readonly rounds: number;
  readonly stepsEach: number;
  /** An interpreter that has torch and transformers; undefined: PyTorch is left out. */
  readonly python: string | undefined;
}

export function benchTraining({ rounds, stepsEach, python }: TrainingBench): Promise<TrainingResult> {
  return withTokens(async (tokenFile) => {
    const pool = createPool();
    const matMul = openMatMulBench();
    const oneRank = new Map(models.map(({ name }) => [name, [] as OneRank[]]));
    const twoRanks = new Map(layouts.map((layout) => [layout, [] as TwoRanks[]]));
    const torch = new Map<string, BesideTorch[]>();
    const compare = (name: string, model: ModelSource, threads: number, tokensPerSecond: number): void => {
      if (python === undefined) return;
      const run = trainWithTorch(python, model, threads, stepsEach - 1);
      torch.set(name, [...(torch.get(name) ?? []), { ...run, ratio: tokensPerSecond / run.tokensPerSecond }]);
    };
    for (let round = 0; round < rounds; round++) {
      process.stderr.write(`training, round ${round + 1} of ${rounds}\n`);
      for (const { name, model } of models) {
        const one = await besideMatMul(matMul, () => trainFor('tp=1', stepsEach, tokenFile, pool, model));
        oneRank.get(name)!.push(one);
        compare(oneThread(name), model, 1, one.tokensPerSecond);
      }
      const alone = oneRank.get(models[0]!.name)!.at(-1)!;
      for (const layout of layouts) {
        const summary = await trainFor(layout, stepsEach, tokenFile, pool);
        const tokensPerSecond = speedOf(summary);
        const shares = summary.steps.slice(1).map((step) => step.communicationSeconds / step.seconds);
        twoRanks.get(layout)!.push({
          tokensPerSecond,
          speedup: tokensPerSecond / alone.tokensPerSecond,
          communicationShare: median(shares),
        });
        if (layout === layouts[0]) compare(twoThreads(models[0]!.name, layout), models[0]!.model, 2, tokensPerSecond);
      }
    }
    matMul.close();
    await pool.close();
    return { oneRank, twoRanks, torch };
  });
}

async function besideMatMul(matMul: MatMulBench, run: () => Promise<TrainSummary>): Promise<OneRank> {
  const [before, farBefore] = [matMul.run(), matMul.runFar()];
  const summary = await run();
  const tokensPerSecond = speedOf(summary);
  return {
    tokensPerSecond,
    modelFlopsPerSecond: summary.modelFlopsPerSecond * (tokensPerSecond / summary.tokensPerSecond),
    matMulFlopsPerSecond: (before + matMul.run()) / 2,
    farFlopsPerSecond: (farBefore + matMul.runFar()) / 2,
    setupSeconds: summary.setupSeconds,
  };
}

export function trainingTable({ oneRank, twoRanks, torch }: TrainingResult): string {
  const over = <T>(samples: readonly T[], value: (sample: T) => number) => median(samples.map(value));
  const ones = [...oneRank].map(([name, samples]) => [
    name,
    over(samples, ({ tokensPerSecond }) => tokensPerSecond).toFixed(0),
    formatFlopsPerSecond(over(samples, ({ modelFlopsPerSecond }) => modelFlopsPerSecond)),
    formatFlopsPerSecond(over(samples, ({ matMulFlopsPerSecond }) => matMulFlopsPerSecond)),
    over(samples, (sample) => sample.modelFlopsPerSecond / sample.matMulFlopsPerSecond).toFixed(3),
    formatFlopsPerSecond(over(samples, ({ farFlopsPerSecond }) => farFlopsPerSecond)),
    over(samples, (sample) => sample.modelFlopsPerSecond / sample.farFlopsPerSecond).toFixed(3),
    `${over(samples, ({ setupSeconds }) => setupSeconds).toFixed(2)} s`,
  ]);
  const twos = [...twoRanks].map(([layout, samples]) => {
    const speedup = over(samples, (sample) => sample.speedup);
    const allowed = allowedSpeedup(layout);
    return [
      layout,
      over(samples, ({ tokensPerSecond }) => tokensPerSecond).toFixed(0),
      speedup.toFixed(2),
      allowed.toFixed(2),
      (speedup / allowed).toFixed(3),
      formatPercent(over(samples, ({ communicationShare }) => communicationShare)),
    ];
  });
  const oneHead = [
    'one rank, vocabulary',
    'tokens/s',
    'model FLOP/s',
    'bare MatMul',
    'ratio',
    'not in cache',
    'ratio',
    'set-up',
  ];
  const twoHead = ['two ranks', 'tokens/s', 'speedup', 'allowed', 'efficiency', 'communication and waiting'];
  return [
    formatTable({ head: oneHead, rows: ones }),
    '',
    formatTable({ head: twoHead, rows: twos }),
    '',
    torchTable(torch),
  ].join('\n');
}

/** Medians over the rounds. */
function trainingVerdicts({ oneRank, twoRanks, torch }: TrainingResult): Verdict[] {
  const over = <T>(samples: readonly T[] | undefined, value: (sample: T) => number) =>
    samples && median(samples.map(value));
  const ofMatMul = (name: string) =>
    over(oneRank.get(name), (run) => run.modelFlopsPerSecond / run.matMulFlopsPerSecond);
  const efficiency = (layout: string) => over(twoRanks.get(layout), ({ speedup }) => speedup / allowedSpeedup(layout));
  const ofTorch = (name: string) => over(torch.get(name), ({ ratio }) => ratio);
  const named = (before: string, verdicts: readonly Verdict[]) =>
    verdicts.map((verdict) => ({ ...verdict, name: `${before}, ${verdict.name}` }));
  return [
    ...named('one rank over bare MatMul', judge(marks.oneRank, ofMatMul)),
    ...named('efficiency', judge(marks.twoRanks, efficiency)),
    ...named('over PyTorch', judge(marks.torch, ofTorch)),
  ];
}

function torchTable(torch: TrainingResult['torch']): string {
  const [first] = [...torch.values()].flat();
  if (!first) return 'PyTorch: no Python was given (--python).';
  const rows = [...torch].map(([name, runs]) => [
    name,
    median(runs.map((run) => run.tokensPerSecond)).toFixed(0),
    median(runs.map(({ ratio }) => ratio)).toFixed(2),
  ]);
  const versions = `PyTorch ${first.torch}, transformers ${first.transformers}, Python ${first.python}`;
  const head = [versions, 'tokens/s', 'ours over it'];
  return formatTable({ head, rows });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      python: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      steps: { type: 'string', default: '4' },
    },
  });
  const { python, rounds, steps } = values;
  const result = await benchTraining({ rounds: Number(rounds), stepsEach: Number(steps), python });
  console.log(`${trainingTable(result)}\n`);
  printVerdicts(trainingVerdicts(result));
}
