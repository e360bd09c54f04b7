// Packed documents of very different lengths, dealt out by what their attention costs against by their number of tokens, in turns:
// `npx tsx bench/balance.ts [--tokens <n>] [--rounds <n>]` (some 3 minutes a round).
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findModel } from '../src/checkpoint/model-source.ts';
import { formatTable } from '../src/cli/ui/table.ts';
import { formatSeconds } from '../src/cli/ui/units.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import { train } from '../src/train/train.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { median } from './model.ts';

const layouts = ['dp=2', 'cp=2'] as const;
const ways = [true, 'balanced'] as const;

const { values } = parseArgs({
  options: { tokens: { type: 'string', default: '8192' }, rounds: { type: 'string', default: '2' } },
});
const seqLen = Number(values.tokens);
const model = findModel('llama-tiny', [`max_position_embeddings=${seqLen}`]);

/** Lengths with a median of a third of a sequence, log-normal with sigma 1; bytes are tokens. */
function documents(): string {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state + 1) / 2 ** 31;
  };
  const normal = () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
  const lines = Array.from({ length: 400 }, () => {
    const length = Math.min(seqLen - 1, Math.max(8, Math.round((seqLen / 3) * Math.exp(normal()))));
    return JSON.stringify({
      text: Array.from({ length }, () => String.fromCharCode(97 + Math.floor(random() * 26))).join(''),
    });
  });
  return lines.join('\n');
}

const folder = mkdtempSync(join(tmpdir(), 'fivefold-balance-'));
const pool = createPool();
const seconds = new Map<string, number[]>();
const key = (layout: string, pack: boolean | string): string => `${layout} ${pack}`;
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
          ...{ model, data, pool, seqLen, globalBatch: 8, microBatch: 1, precision: 'f32', steps: 5, seed: 1, pack },
          layout: parseLayout(layout),
        });
        // The first step warms caches up; both ways have the same sequences in a step.
        const all = steps.slice(1).reduce((sum, step) => sum + step.seconds, 0) / (steps.length - 1);
        seconds.set(key(layout, pack), [...(seconds.get(key(layout, pack)) ?? []), all]);
      }
} finally {
  await pool.close();
  rmSync(folder, { recursive: true });
}

const of = (layout: string, pack: boolean | string): readonly number[] => seconds.get(key(layout, pack))!;
const ratio = (layout: string): number =>
  median(of(layout, 'balanced').map((each, round) => each / of(layout, true)[round]!));
const rows = layouts.map((layout) => [
  layout,
  ...ways.map((pack) => formatSeconds(median(of(layout, pack)))),
  ratio(layout).toFixed(3),
]);
console.log(`${formatTable({ head: [`sequences of ${seqLen}`, 'a step, by count', 'balanced', 'ratio'], rows })}\n`);
printVerdicts(judge(marks.balance, ratio));
