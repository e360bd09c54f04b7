// What replicas that meet every 10 steps send each other, against replicas that sum gradients at every step: `npx tsx bench/local-sgd.ts`.
import { findModel } from '../src/checkpoint/model-source.ts';
import { formatTable } from '../src/cli/ui/table.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import { train } from '../src/train/train.ts';
import { formatBytes } from '../src/units.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { withTokens } from './model.ts';

const layouts = ['dp=2', 'dp=4', 'tp=2,dp=2'] as const;
const steps = 10;
const model = findModel('llama-tiny');

interface Sent {
  /** By a rank in a step, over dp alone and together with other axes; counted while it ran, of the rank that sent most. */
  readonly bytesPerStep: number;
  /** By a rank, at most. */
  readonly heldBytes: number;
}

async function sent(
  data: string,
  layout: string,
  syncEvery: number,
  pool: ReturnType<typeof createPool>,
): Promise<Sent> {
  process.stderr.write(`local SGD, ${layout}, every ${syncEvery}\n`);
  const { bytesSent, ranks } = await train({
    ...{ model, data, layout, syncEvery, steps, pool },
    ...{ seqLen: 64, globalBatch: 4, microBatch: 1, precision: 'f32', seed: 1 },
  });
  const overDp = bytesSent.map((axes) =>
    Object.entries(axes)
      .filter(([axis]) => axis.split('+').includes('dp'))
      .reduce((sum, [, ops]) => sum + Object.values(ops ?? {}).reduce((all, bytes) => all + bytes, 0), 0),
  );
  return {
    bytesPerStep: Math.max(...overDp) / steps,
    heldBytes: Math.max(...ranks.map(({ peakBytes }) => peakBytes)),
  };
}

const found = await withTokens(async (data) => {
  const pool = createPool();
  const all = new Map<string, readonly [every: Sent, tenth: Sent]>();
  try {
    for (const layout of layouts)
      all.set(layout, [await sent(data, layout, 1, pool), await sent(data, layout, steps, pool)]);
  } finally {
    await pool.close();
  }
  return all;
});

const rows = [...found].map(([layout, [every, tenth]]) => [
  layout,
  formatBytes(every.bytesPerStep),
  formatBytes(tenth.bytesPerStep),
  (tenth.bytesPerStep / every.bytesPerStep).toFixed(4),
  formatBytes(every.heldBytes),
  formatBytes(tenth.heldBytes),
]);
const head = ['llama-tiny', 'over dp a step, H=1', 'H=10', 'ratio', 'held by a rank, H=1', 'H=10'];
console.log(`${formatTable({ head, rows })}\n`);
printVerdicts(
  judge(marks.localSgd, (layout) => {
    const [every, tenth] = found.get(layout)!;
    return tenth.bytesPerStep / every.bytesPerStep;
  }),
);
