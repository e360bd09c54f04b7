// A run that loses ranks at moments a seed chooses: node ... losing-run.ts <seed, or none> <train's options as JSON>. It says what it does in
// JSON lines, and is itself killed by whoever started it; started again the same way, it goes on.
import type { Worker } from 'node:worker_threads';
import { createPool, type WorldPool } from '../../src/runtime/world-pool.ts';
import { type TrainOptions, train } from '../../src/train/train.ts';
import { createRandom } from './random.ts';

const [seed, options] = process.argv.slice(2);
// Another order of losses each time that it is started.
const random = createRandom(Number(seed));
const pool = createPool();

let workers: readonly Worker[] = [];
/** The rank that was ended last, and rank 0's last step by then. Ended twice without a step between, a rank would be given up. */
let last = { rank: -1, step: -1 };
let step = 0;

function endRank(): void {
  const all = workers.map((_, rank) => rank).filter((rank) => !(rank === last.rank && step <= last.step + 1));
  if (all.length === 0) return;
  last = { rank: random.pick(all), step };
  void workers[last.rank]!.terminate();
}

/** Of this world: after so many steps and then milliseconds, or, one time in four, while it starts. */
let due: { readonly afterSteps: number; readonly milliseconds: number } | undefined;

function plan(): void {
  if (seed === 'none') return;
  const inSetUp = random.below(4) === 0;
  due = inSetUp ? undefined : { afterSteps: 1 + random.below(12), milliseconds: random.below(20) };
  if (inSetUp) setTimeout(endRank, random.below(700));
}

const killing: WorldPool = {
  ...pool,
  take(count) {
    workers = pool.take(count);
    plan();
    return [...workers];
  },
};

let done = 0;
await train({
  ...(JSON.parse(options!) as TrainOptions),
  pool: killing,
  onReport(report) {
    if (report.kind === 'restart') done = 0;
    if (report.kind === 'restart' || report.kind === 'saved') console.log(JSON.stringify(report));
    if (report.kind !== 'step') return;
    step = Math.max(step, report.step);
    done++;
    console.log(JSON.stringify({ step: report.step }));
    if (done !== due?.afterSteps) return;
    setTimeout(endRank, due.milliseconds);
  },
});
await pool.close();
