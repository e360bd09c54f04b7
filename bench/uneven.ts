// One of two ranks at half the speed of the other: work by speed against as much on both, in turns:
// `npx tsx bench/uneven.ts [--rounds <n>]` (some 30 s a round).
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { findModel } from '../src/checkpoint/model-source.ts';
import { formatTable } from '../src/cli/ui/table.ts';
import { dataSources } from '../src/data/source.ts';
import { byteTokenizer } from '../src/data/tokenizer.ts';
import { prepareTokens } from '../src/data/tokens.ts';
import { estimateStep } from '../src/plan/estimate-step.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import { launch } from '../src/train/launch.ts';
import { layOut } from '../src/train/lay-out.ts';
import { planRun, type RunPlan } from '../src/train/plan-run.ts';
import { settle } from '../src/train/settle.ts';
import { formatSeconds } from '../src/units.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { withTokens } from './model.ts';

const model = findModel('llama-tiny', ['num_hidden_layers=8']);
const layouts = ['dp=2', 'pp=2'] as const;
const ways = ['alike', 'by speed'] as const;
const speeds = [1, 0.5];
const slowRank = new URL(`./slow-rank.ts?${speeds.map((speed) => 1 / speed)}`, import.meta.url);

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } });

interface Tried {
  readonly layout: (typeof layouts)[number];
  readonly way: (typeof ways)[number];
  readonly plan: RunPlan;
  readonly seconds: number[];
}

/** By how long a step is when its ranks are uneven; only the ratio of two counts. */
const estimateOf = ({ plan: { settings } }: Tried): number =>
  estimateStep({ ...settings, speeds }, { secondsPerFlop: 1e-11, secondsPerCall: 0, secondsPerByte: 0, cores: 2 });

const tried = await withTokens(async (data) => {
  const pool = createPool();
  const all: Tried[] = [];
  const tokens = await prepareTokens({
    sources: dataSources([data]),
    tokenizer: byteTokenizer,
    cacheDirectory: dirname(data),
  });
  try {
    for (const layout of layouts)
      for (const way of ways) {
        const given = { data: [data], layout, seqLen: 256, globalBatch: 12, microBatch: 1, steps: 9, seed: 1 } as const;
        const settled = settle({ ...given, ...(way === 'alike' ? {} : { speeds }) }, { source: model });
        const plan = planRun(await layOut(settled, {}), tokens, dirname(data));
        all.push({ layout, way, plan, seconds: [] });
      }
    for (let round = 0; round < Number(values.rounds); round++)
      for (const { layout, way, plan, seconds } of all) {
        process.stderr.write(`uneven, round ${round + 1} of ${values.rounds}, ${layout}, ${way}\n`);
        const { steps } = await launch(plan, { pool }, slowRank);
        // The first step warms caches up.
        seconds.push(...steps.slice(1).map((step) => step.seconds));
      }
  } finally {
    await pool.close();
  }
  return all;
});

const of = (layout: string, way: string): Tried => tried.find((each) => each.layout === layout && each.way === way)!;
/** The fastest step counts: what else runs on the machine only ever slows one down. */
const fastest = (layout: string, way: string): number => Math.min(...of(layout, way).seconds);
const ratio = (layout: string): number => fastest(layout, 'by speed') / fastest(layout, 'alike');
const estimated = (layout: string): number => estimateOf(of(layout, 'by speed')) / estimateOf(of(layout, 'alike'));
const rows = layouts.map((layout) => [
  layout,
  of(layout, 'by speed').plan.settled.notes.join('; '),
  ...ways.map((way) => formatSeconds(fastest(layout, way))),
  ratio(layout).toFixed(3),
  estimated(layout).toFixed(3),
]);
console.log(
  `${formatTable({ head: ['two ranks', 'work', 'a step, alike', 'by speed', 'ratio', 'estimated'], rows })}\n`,
);
printVerdicts(judge(marks.uneven, ratio));
