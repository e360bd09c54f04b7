// Packed documents of very different lengths, balanced by what their attention costs against packed by their number of tokens, in turns:
// `npx tsx bench/balance.ts [--tokens <n>] [--rounds <n>]` (some 8 minutes a round).
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findModel } from '../src/checkpoint/model-source.ts';
import { formatTable } from '../src/cli/ui/table.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import type { Balance } from '../src/train/packed-work.ts';
import { train } from '../src/train/train.ts';
import { formatSeconds } from '../src/units.ts';
import { documentLengths, documentLines } from '../test/documents.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { median } from './model.ts';

const layouts = ['dp=2', 'cp=2'] as const;
type LayoutName = (typeof layouts)[number];
const ways = [true, 'balanced'] as const;
/** One a replica: the attention of many evens out by itself. */
const globalBatch = 2;
/** Of a run: a whole window of balanced steps, so that both ways train on the same ones. */
const sequences = 64;

const { values } = parseArgs({
  options: { tokens: { type: 'string', default: '16384' }, rounds: { type: 'string', default: '2' } },
});
const seqLen = Number(values.tokens);
const model = findModel('llama-tiny', [`max_position_embeddings=${seqLen}`, 'num_hidden_layers=2']);

/** Bytes are tokens; a document fits a sequence with its end. Several times what a run reads. */
const documents = (): string =>
  documentLines(
    documentLengths({ count: 6000, median: seqLen / 64, spread: 1.5, seed: 1 }).map((length) =>
      Math.min(seqLen, Math.max(8, length)),
    ),
  );

const folder = mkdtempSync(join(tmpdir(), 'fivefold-balance-'));
const pool = createPool();
const seconds = new Map<string, number[]>();
const predicted = new Map<LayoutName, Balance>();
const key = (layout: LayoutName, pack: boolean | string): string => `${layout} ${pack}`;
try {
  const data = join(folder, 'documents.jsonl');
  writeFileSync(data, documents());
  for (let round = 0; round < Number(values.rounds); round++)
    for (const layout of layouts)
      for (const pack of ways) {
        process.stderr.write(
          `balance, round ${round + 1} of ${values.rounds}, ${layout}, ${pack === true ? 'by count' : pack}\n`,
        );
        const { steps } = await train({
          ...{ model, data, pool, layout, seqLen, globalBatch, microBatch: 1, precision: 'f32', seed: 1, pack },
          steps: sequences / globalBatch,
          onPlan: ({ balance }) => void predicted.set(layout, balance!),
        });
        const all = steps.reduce((sum, step) => sum + step.seconds, 0) / steps.length;
        seconds.set(key(layout, pack), [...(seconds.get(key(layout, pack)) ?? []), all]);
      }
} finally {
  await pool.close();
  rmSync(folder, { recursive: true });
}

const of = (layout: LayoutName, pack: boolean | string): readonly number[] => seconds.get(key(layout, pack))!;
const ratio = (layout: LayoutName): number =>
  median(of(layout, 'balanced').map((each, round) => each / of(layout, true)[round]!));
const rows = layouts.map((layout) => {
  const { byCount, balanced, slowest } = predicted.get(layout)!;
  return [
    layout,
    ...ways.map((pack) => formatSeconds(median(of(layout, pack)))),
    ratio(layout).toFixed(3),
    ...[slowest, byCount, balanced].map((each) => each.toFixed(3)),
  ];
});
const head = [
  `sequences of ${seqLen}`,
  ...['a step, by count', 'balanced', 'ratio', 'its FLOPs', 'attention over the mean, by count', 'balanced'],
];
console.log(`${formatTable({ head, rows })}\n`);
printVerdicts(judge(marks.balance, ratio));
