// Pipeline bubbles: the idle share of two stages as measured, against the same schedule played with the run's own times:
// `npx tsx bench/bubbles.ts [--rounds <n>]`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatTable } from '../src/cli/ui/table.ts';
import { formatPercent, formatSeconds } from '../src/cli/ui/units.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import { scheduleOf } from '../src/schedule/schedules.ts';
import { idleShare, playAgain, readTimelines, type Timeline } from '../src/train/timeline.ts';
import { benchModel, benchShape, median, trainFor, withTokens } from './model.ts';

/** Two stages of four layers each; the embedding and the head weigh a hundredth of that. */
const layouts = ['pp=2,schedule=gpipe', 'pp=2', 'pp=2,virtual=2', 'pp=2,schedule=zb-h1'];

/** Of one step. */
interface Sample {
  readonly measured: number;
  /** With the very times of that step. */
  readonly played: number;
  /** Of both stages together. */
  readonly idleSeconds: number;
}

export type BubbleResult = ReadonlyMap<string, readonly Sample[]>;

export function benchBubbles({ rounds, stepsEach }: { rounds: number; stepsEach: number }): Promise<BubbleResult> {
  return withTokens(async (tokenFile) => {
    const folder = mkdtempSync(join(tmpdir(), 'fivefold-bubbles-'));
    const pool = createPool();
    const samples = new Map(layouts.map((layout) => [layout, [] as Sample[]]));
    try {
      for (let round = 0; round < rounds; round++) {
        process.stderr.write(`bubbles, round ${round + 1} of ${rounds}\n`);
        for (const layout of layouts) {
          const trace = join(folder, 'trace.json');
          await trainFor(layout, stepsEach, tokenFile, pool, benchModel, trace);
          // The first step of a run warms caches up.
          samples.get(layout)!.push(...readTimelines(trace).slice(1).map(sampleOf(layout)));
        }
      }
      return samples;
    } finally {
      await pool.close();
      rmSync(folder, { recursive: true });
    }
  });
}

const sampleOf =
  (layout: string) =>
  (timeline: Timeline): Sample => {
    const schedule = scheduleOf(parseLayout(layout), benchShape.globalBatch / benchShape.microBatch);
    const measured = idleShare(timeline);
    const busy = timeline.spans.reduce((sum, { start, end }) => sum + end - start, 0);
    return {
      measured,
      played: playAgain(schedule, timeline).bubbleFraction,
      idleSeconds: (busy * measured) / (1 - measured),
    };
  };

export function bubbleTable(result: BubbleResult): string {
  const rows = [...result].map(([layout, samples]) => {
    const over = (value: (sample: Sample) => number) => median(samples.map(value));
    return [
      layout,
      formatPercent(over(({ measured }) => measured)),
      formatPercent(over(({ played }) => played)),
      over(({ measured, played }) => measured / played).toFixed(3),
      Math.min(...samples.map(({ measured, played }) => measured / played)).toFixed(3),
      formatSeconds(over(({ idleSeconds }) => idleSeconds)),
    ];
  });
  return formatTable({ head: ['two stages', 'idle, measured', 'played', 'ratio', 'least', 'idle in a step'], rows });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '4' } } });
  console.log(bubbleTable(await benchBubbles({ rounds: Number(values.rounds), stepsEach: 5 })));
}
