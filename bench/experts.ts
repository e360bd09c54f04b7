// A mixture of experts on one rank and on two that share the experts out, in turns: `npx tsx bench/experts.ts [--rounds <n>]` (a
// minute a round).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findModel } from '../src/checkpoint/model-source.ts';
import { formatTable } from '../src/cli/ui/table.ts';
import { withTemporary } from '../src/files/temporary.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { worldSize } from '../src/mesh/mesh.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import { train } from '../src/train/train.ts';
import { formatFlopsPerSecond, formatSeconds } from '../src/units.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { openMatMulBench } from './matmul.ts';
import { median, withTokens } from './model.ts';

const layouts = ['tp=1', 'ep=2'] as const;
/** Experts that choose have as many tokens each; of tokens that choose, those of a model that has just begun, most have the same two. */
const routings = ['experts', 'tokens'] as const;
type Layout = (typeof layouts)[number];
type Routing = (typeof routings)[number];
const shape = { seqLen: 512, globalBatch: 8, microBatch: 4 } as const;
const model = findModel('mixtral-tiny', [
  ...['hidden_size=512', 'intermediate_size=704', 'num_attention_heads=8', 'num_key_value_heads=8'],
]);
const { hiddenSize, mixture } = model.config;
const { experts, perToken, intermediateSize } = mixture!;

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } });
const rounds = Number(values.rounds);

interface Run {
  readonly seconds: number;
  /** FLOP/s of experts' products, over their own time. */
  readonly productRate: number;
  /** Of a step, what moves rows between ranks, waiting included: the mean of the ranks. */
  readonly dispatchShare: number;
}

interface Event {
  readonly ph: string;
  readonly cat: string;
  readonly name: string;
  readonly pid: number;
  /** In microseconds. */
  readonly dur: number;
  readonly args: { readonly step: number; readonly flops?: number };
}

/** Of a trace's steps after the first. */
function measured(path: string, ranks: number, seconds: number, steps: number): Run {
  const events = (JSON.parse(readFileSync(path, 'utf8')) as readonly Event[]).filter(
    ({ ph, cat, args }) => ph === 'X' && cat !== 'step' && args.step > 1,
  );
  const sum = (of: readonly Event[], value: (event: Event) => number) =>
    of.reduce((total, each) => total + value(each), 0);
  const products = events.filter(({ name, args }) => / experts/.test(name) && (args.flops ?? 0) > 0);
  const moves = events.filter(({ name }) => / (dispatch|combine)/.test(name));
  return {
    seconds,
    productRate: sum(products, ({ args }) => args.flops!) / (sum(products, ({ dur }) => dur) / 1e6),
    dispatchShare: sum(moves, ({ dur }) => dur) / 1e6 / ranks / (seconds * (steps - 1)),
  };
}

const steps = 4;
const keyOf = (layout: Layout, routing: Routing): string => `${layout} ${routing}`;
const runs = new Map<string, Run[]>();
const bare: number[] = [];
/** Rows of an expert where tokens go to them evenly, on one rank; on two each expert has those of both. */
const rows = (shape.microBatch * shape.seqLen * perToken) / experts;
const products = openMatMulBench([
  [rows, hiddenSize, intermediateSize],
  [rows, hiddenSize, intermediateSize],
  [rows, intermediateSize, hiddenSize],
]);
await withTokens((data) =>
  withTemporary(async (folder) => {
    const pool = createPool();
    const trace = join(folder, 'trace.json');
    try {
      for (let round = 0; round < rounds; round++) {
        process.stderr.write(`experts, round ${round + 1} of ${rounds}\n`);
        bare.push(products.runFar());
        for (const routing of routings)
          for (const layout of layouts) {
            const parsed = parseLayout(layout);
            const ran = await train({
              ...shape,
              ...{ model, data, pool, precision: 'f32', steps, seed: 1, layout: parsed, trace, routing },
            });
            const seconds = median(ran.steps.slice(1).map((step) => step.seconds));
            const key = keyOf(layout, routing);
            runs.set(key, [...(runs.get(key) ?? []), measured(trace, worldSize(parsed), seconds, steps)]);
          }
      }
    } finally {
      await pool.close();
      products.close();
    }
  }),
);

/** In the same round: a shared machine changes its pace. */
const inRounds = (layout: Layout, routing: Routing, value: (run: Run, round: number) => number): number =>
  median(runs.get(keyOf(layout, routing))!.map(value));
const efficiency = (layout: Layout, routing: Routing = 'experts'): number =>
  inRounds(layout, routing, ({ seconds }, round) => runs.get(keyOf('tp=1', routing))![round]!.seconds / seconds) /
  worldSize(parseLayout(layout));
const overBare = (layout: Layout, routing: Routing = 'experts'): number =>
  inRounds(layout, routing, ({ productRate }, round) => productRate / bare[round]!);
const share = (layout: Layout, routing: Routing = 'experts'): number =>
  inRounds(layout, routing, ({ dispatchShare }) => dispatchShare);

const table = routings.flatMap((routing) =>
  layouts.map((layout) => [
    `${layout}, ${routing} choose`,
    formatSeconds(inRounds(layout, routing, ({ seconds }) => seconds)),
    efficiency(layout, routing).toFixed(3),
    formatFlopsPerSecond(inRounds(layout, routing, ({ productRate }) => productRate)),
    overBare(layout, routing).toFixed(3),
    `${(100 * share(layout, routing)).toFixed(1)} %`,
  ]),
);
const head = ['', 'a step', 'efficiency', "experts' products", 'over bare MatMul', 'dispatch and combine'];
console.log(`${formatTable({ head, rows: table })}\n`);
printVerdicts([
  ...judge(marks.experts, (layout) => efficiency(layout)),
  ...judge(marks.expertProducts, (layout) => overBare(layout === 'one rank' ? 'tp=1' : layout)),
  ...judge(marks.dispatch, () => share('ep=2')),
]);
