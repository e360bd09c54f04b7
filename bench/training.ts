// Training speed: one rank against ONNX Runtime's MatMul, and two ranks against one, in turns: `npx tsx bench/training.ts`.
import { fileURLToPath } from 'node:url';
import { formatTable } from '../src/cli/ui/table.ts';
import { formatFlopsPerSecond, formatPercent } from '../src/cli/ui/units.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import { play } from '../src/schedule/play.ts';
import { schedules } from '../src/schedule/schedules.ts';
import { openMatMulBench } from './matmul.ts';
import { benchShape, median, trainFor, withTokens } from './model.ts';

export interface TrainingResult {
  /** Model FLOP/s on one rank, and of the bare MatMuls, at the same time. */
  readonly modelFlopsPerSecond: number;
  readonly matMulFlopsPerSecond: number;
  /** Of each round: the ratio of the two. */
  readonly ratios: readonly number[];
  readonly setupSeconds: number;
  readonly layouts: readonly LayoutResult[];
}

export interface LayoutResult {
  readonly layout: string;
  readonly tokensPerSecond: number;
  /** Speed over that of one rank in the same round. */
  readonly speedup: number;
  /** The most that the schedule's bubble allows. */
  readonly allowed: number;
  readonly communicationShare: number;
}

const twoRanks = ['dp=2', 'tp=2', 'tp=2,sp', 'pp=2'];

/** Two ranks, or less where a pipeline's stages must wait. */
function allowedSpeedup(layout: string): number {
  const { pp, schedule, dp, tp } = parseLayout(layout);
  if (pp === 1) return dp * tp;
  const played = play(schedules[schedule](pp, benchShape.globalBatch / benchShape.microBatch), {
    forwardSeconds: () => 1,
    backwardSeconds: () => 2,
  });
  return pp * (1 - played.bubbleFraction);
}

export function benchTraining(rounds = 5, stepsEach = 4): Promise<TrainingResult> {
  return withTokens(async (tokenFile) => {
    const pool = createPool();
    const matMul = openMatMulBench();
    const one: { model: number; matMul: number; setup: number }[] = [];
    const others = twoRanks.map((layout) => ({
      layout,
      samples: [] as { tokens: number; speedup: number; share: number }[],
    }));
    for (let round = 0; round < rounds; round++) {
      process.stderr.write(`training, round ${round + 1} of ${rounds}\n`);
      const before = matMul.run();
      const alone = await trainFor('tp=1', stepsEach, tokenFile, pool);
      const after = matMul.run();
      one.push({ model: alone.modelFlopsPerSecond, matMul: (before + after) / 2, setup: alone.setupSeconds });
      for (const { layout, samples } of others) {
        const two = await trainFor(layout, stepsEach, tokenFile, pool);
        const seconds = two.steps.slice(1).reduce((sum, step) => sum + step.seconds, 0);
        const talking = two.steps.slice(1).reduce((sum, step) => sum + step.communicationSeconds, 0);
        samples.push({
          tokens: two.tokensPerSecond,
          speedup: two.tokensPerSecond / alone.tokensPerSecond,
          share: talking / seconds,
        });
      }
    }
    matMul.close();
    await pool.close();
    return {
      modelFlopsPerSecond: median(one.map(({ model }) => model)),
      matMulFlopsPerSecond: median(one.map((sample) => sample.matMul)),
      ratios: one.map((sample) => sample.model / sample.matMul),
      setupSeconds: median(one.map(({ setup }) => setup)),
      layouts: others.map(({ layout, samples }) => ({
        layout,
        tokensPerSecond: median(samples.map(({ tokens }) => tokens)),
        speedup: median(samples.map(({ speedup }) => speedup)),
        allowed: allowedSpeedup(layout),
        communicationShare: median(samples.map(({ share }) => share)),
      })),
    };
  });
}

export function trainingTable(result: TrainingResult): string {
  const { modelFlopsPerSecond, matMulFlopsPerSecond, ratios, setupSeconds, layouts } = result;
  const first = [
    `one rank: ${formatFlopsPerSecond(modelFlopsPerSecond)} of model FLOPs, bare MatMul ${formatFlopsPerSecond(matMulFlopsPerSecond)}: ` +
      `ratio ${median(ratios).toFixed(3)} (rounds ${ratios.map((ratio) => ratio.toFixed(3)).join(', ')})`,
    `set-up (trace, compile, weights): ${setupSeconds.toFixed(2)} s`,
  ];
  const rows = layouts.map(({ layout, tokensPerSecond, speedup, allowed, communicationShare }) => [
    layout,
    tokensPerSecond.toFixed(0),
    speedup.toFixed(2),
    allowed.toFixed(2),
    (speedup / allowed).toFixed(3),
    formatPercent(communicationShare),
  ]);
  const head = ['layout', 'tokens/s', 'speedup', 'allowed', 'efficiency', 'communication and waiting'];
  return [...first, '', formatTable({ head, rows })].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(trainingTable(await benchTraining()));
