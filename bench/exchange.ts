// The all-to-all of uneven blocks between two ranks, of registered vectors and of others, against a plain copy of as many
// bytes that the other has written, in turns:
// `npx tsx bench/exchange.ts [--rounds <n>]`.
import { parseArgs } from 'node:util';
import { formatTable } from '../src/cli/ui/table.ts';
import type { Group } from '../src/mesh/mesh.ts';
import { runWorld } from '../src/runtime/world.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import type { ExchangeJob, ExchangeTimes } from './exchange-rank.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { median } from './model.ts';

const KB = 1024;
const size = (name: keyof typeof marks.exchange, bytes: number, calls: number) => ({ name, bytes, calls });
const sizes = [
  size('16 KB', 16 * KB, 100),
  size('64 KB', 64 * KB, 50),
  size('256 KB', 256 * KB, 20),
  size('1 MB', 1024 * KB, 5),
  size('4 MB', 4096 * KB, 2),
  size('16 MB', 16384 * KB, 1),
];

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '9' } } });
const group: Group = { axis: 'ep', ranks: [0, 1] };
const most = Math.max(...sizes.map(({ bytes }) => bytes));
const job: ExchangeJob = { group, sizes, samples: 20, shared: new SharedArrayBuffer(2 * most) };
const pool = createPool();
const turns: ExchangeTimes[] = [];
for (let round = 1; round <= Number(values.rounds); round++) {
  process.stderr.write(`exchange, round ${round} of ${values.rounds}\n`);
  const [first] = await runWorld({
    plan: { size: 2, groups: [group], channels: [], timeoutSeconds: 60 },
    rankModule: new URL('./exchange-rank.ts', import.meta.url),
    jobs: [job, job],
    pool,
  });
  turns.push(first as ExchangeTimes);
}
await pool.close();

const over = new Map<string, number>();
const rows = sizes.map(({ name }, i) => {
  const medians = turns.map((turn) => ({
    registered: median(turn[i]!.registered),
    own: median(turn[i]!.own),
    copy: median(turn[i]!.copy),
  }));
  const of = (what: 'registered' | 'own' | 'copy'): number => median(medians.map((turn) => turn[what]));
  // The median of the turns' own ratios: a shared machine changes its pace from turn to turn.
  const ratio = (what: 'registered' | 'own'): number => median(medians.map((turn) => turn[what] / turn.copy));
  over.set(name, ratio('registered'));
  const figures = [of('copy'), of('registered'), ratio('registered'), of('own'), ratio('own')];
  return [name, ...figures.map((figure) => figure.toFixed(2))];
});
const head = ['bytes each way', 'copy (us)', 'registered (us)', 'ratio', 'slots (us)', 'ratio'];
const align = [undefined, 'right', 'right', 'right', 'right', 'right'] as const;
console.log(`${formatTable({ head, rows, align })}\n`);
printVerdicts(judge(marks.exchange, (bytes) => over.get(bytes)));
