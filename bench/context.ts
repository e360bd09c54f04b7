// Context parallelism: a long sequence on two ranks against one, in turns: `npx tsx bench/context.ts [--tokens <n>] [--rounds <n>]`
// (some 4 minutes a round).
import { parseArgs } from 'node:util';
import { findModel } from '../src/checkpoint/model-source.ts';
import { formatTable } from '../src/cli/ui/table.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { worldSize } from '../src/mesh/mesh.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import { train } from '../src/train/train.ts';
import { formatBytes, formatSeconds } from '../src/units.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { median, withTokens } from './model.ts';

const layouts = ['tp=1', 'cp=2', 'cp=2,cpMode=gather', 'cp=2,cpMode=ulysses'] as const;

const { values } = parseArgs({
  options: { tokens: { type: 'string', default: '16384' }, rounds: { type: 'string', default: '2' } },
});
const seqLen = Number(values.tokens);
const model = findModel('llama-small', [`max_position_embeddings=${seqLen}`]);

interface Run {
  readonly seconds: number;
  readonly peakBytes: number;
}

const runs = await withTokens(async (data) => {
  const pool = createPool();
  const found = new Map<string, Run[]>(layouts.map((layout) => [layout, []]));
  try {
    for (let round = 0; round < Number(values.rounds); round++)
      for (const layout of layouts) {
        process.stderr.write(`context, round ${round + 1} of ${values.rounds}, ${layout}\n`);
        const { steps, ranks } = await train({
          ...{ model, data, pool, seqLen, globalBatch: 1, microBatch: 1, precision: 'f32', steps: 3, seed: 1 },
          layout: parseLayout(layout),
        });
        // The first step warms caches up.
        const seconds = median(steps.slice(1).map((step) => step.seconds));
        found.get(layout)!.push({ seconds, peakBytes: Math.max(...ranks.map((rank) => rank.peakBytes)) });
      }
  } finally {
    await pool.close();
  }
  return found;
});

const secondsOf = (layout: string): number[] => runs.get(layout)!.map(({ seconds }) => seconds);
/** In the same round: a shared machine changes its pace. */
const efficiency = (layout: string): number =>
  median(secondsOf(layout).map((seconds, round) => secondsOf('tp=1')[round]! / seconds)) /
  worldSize(parseLayout(layout));

const rows = layouts.map((layout) => [
  layout,
  formatSeconds(median(secondsOf(layout))),
  efficiency(layout).toFixed(3),
  formatBytes(runs.get(layout)![0]!.peakBytes),
]);
console.log(`${formatTable({ head: [`a sequence of ${seqLen}`, 'a step', 'efficiency', 'held by a rank'], rows })}\n`);
printVerdicts(judge(marks.context, efficiency));
