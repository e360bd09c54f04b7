// Pipeline bubbles: the idle share of two stages as measured, against the same schedule played with the run's median times of each
// kind of work: `npx tsx bench/bubbles.ts [--rounds <n>] [--steps <n>]` (some 50 s a round of 5 steps).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatTable } from '../src/cli/ui/table.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import { scheduleOf } from '../src/schedule/schedules.ts';
import { idleShare, playAgain, playMedian, readTimelines, type Timeline } from '../src/train/timeline.ts';
import { formatPercent, formatSeconds } from '../src/units.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { benchModel, benchShape, median, trainFor, withTokens } from './model.ts';

/** Two stages of four layers each; the embedding and the head weigh a hundredth of that. */
const layouts = ['pp=2,schedule=gpipe', 'pp=2', 'pp=2,virtual=2', 'pp=2,schedule=zb-h1'] as const;
type BubbleLayout = (typeof layouts)[number];

/** Of one run: medians over its steps but the first, which warms caches up. */
interface Sample {
  readonly measured: number;
  /** With the run's median time of each kind of work: what the schedule leaves idle. */
  readonly played: number;
  /** With the very times of each step: what no run in that order can avoid. */
  readonly least: number;
  /** Of both stages together, in a step. */
  readonly idleSeconds: number;
}

/** A sample a round. */
export type BubbleResult = Readonly<Record<BubbleLayout, readonly Sample[]>>;

export function benchBubbles({ rounds, stepsEach }: { rounds: number; stepsEach: number }): Promise<BubbleResult> {
  return withTokens(async (tokenFile) => {
    const folder = mkdtempSync(join(tmpdir(), 'fivefold-bubbles-'));
    const pool = createPool();
    const samples: Record<BubbleLayout, Sample[]> = {
      'pp=2,schedule=gpipe': [],
      'pp=2': [],
      'pp=2,virtual=2': [],
      'pp=2,schedule=zb-h1': [],
    };
    try {
      for (let round = 0; round < rounds; round++) {
        process.stderr.write(`bubbles, round ${round + 1} of ${rounds}\n`);
        for (const layout of layouts) {
          const trace = join(folder, 'trace.json');
          await trainFor(layout, stepsEach, tokenFile, pool, benchModel, trace);
          samples[layout].push(sampleOf(layout, readTimelines(trace).slice(1)));
        }
      }
      return samples;
    } finally {
      await pool.close();
      rmSync(folder, { recursive: true });
    }
  });
}

function sampleOf(layout: BubbleLayout, steps: readonly Timeline[]): Sample {
  const schedule = scheduleOf(parseLayout(layout), benchShape.globalBatch / benchShape.microBatch);
  return {
    measured: median(steps.map(idleShare)),
    played: playMedian(schedule, steps).bubbleFraction,
    least: median(steps.map((step) => playAgain(schedule, step).bubbleFraction)),
    idleSeconds: median(steps.map(idleSecondsOf)),
  };
}

function idleSecondsOf(timeline: Timeline): number {
  const share = idleShare(timeline);
  const busy = timeline.spans.reduce((sum, { start, end }) => sum + end - start, 0);
  return (busy * share) / (1 - share);
}

export function bubbleTable(result: BubbleResult): string {
  const rows = layouts.map((layout) => {
    const over = (value: (sample: Sample) => number) => median(result[layout].map(value));
    return [
      layout,
      formatPercent(over(({ measured }) => measured)),
      formatPercent(over(({ played }) => played)),
      over(({ measured, played }) => measured / played).toFixed(3),
      formatPercent(over(({ least }) => least)),
      formatSeconds(over(({ idleSeconds }) => idleSeconds)),
    ];
  });
  const head = ['two stages', 'idle, measured', 'played', 'ratio', 'played, each step', 'idle in a step'];
  return formatTable({ head, rows });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '4' }, steps: { type: 'string', default: '5' } },
  });
  const result = await benchBubbles({ rounds: Number(values.rounds), stepsEach: Number(values.steps) });
  console.log(`${bubbleTable(result)}\n`);
  /** Idle time in the same round: a shared machine changes its pace. */
  const idleOver = (one: BubbleLayout, other: BubbleLayout) =>
    median(result[one].map(({ idleSeconds }, round) => idleSeconds / result[other][round]!.idleSeconds));
  const idle: Record<keyof typeof marks.idle, number> = {
    'zb-h1 over interleaved': idleOver('pp=2,schedule=zb-h1', 'pp=2,virtual=2'),
    'interleaved over 1f1b': idleOver('pp=2,virtual=2', 'pp=2'),
  };
  const ratio = (layout: BubbleLayout) => median(result[layout].map(({ measured, played }) => measured / played));
  printVerdicts([
    ...judge(marks.bubbles, ratio).map((verdict) => ({ ...verdict, name: `idle over played, ${verdict.name}` })),
    ...judge(marks.idle, (name) => idle[name]).map((verdict) => ({ ...verdict, name: `idle time, ${verdict.name}` })),
  ]);
}
