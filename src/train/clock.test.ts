// A trace of a real run, read back: what its spans say adds up to what the ranks counted, and no two of a track overlap.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { sharedPool } from '../../test/shared-pool.ts';
import { temporaryFolder, writeTokens } from '../../test/temporary-folder.ts';
import { tinyLlama } from '../../test/tiny-llama.ts';
import { parseLayout } from '../mesh/layout.ts';
import { parseModelConfig } from '../model/families.ts';
import { presets } from '../model/presets.ts';
import { rankName } from './clock.ts';
import { train } from './train.ts';

const folder = temporaryFolder('clock');
const pool = sharedPool();
const tokenFile = writeTokens(join(folder, 'tokens.i32.bin'), 2000, tinyLlama.vocab_size);
const dense = parseModelConfig(tinyLlama, 'llama');
const mixture = parseModelConfig({ ...presets['mixtral-tiny'], vocab_size: tinyLlama.vocab_size }, 'mixture');

interface Event {
  readonly name: string;
  readonly cat: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly args: Readonly<Record<string, number | string>>;
}

async function traced(layout: string) {
  const file = join(folder, `${layout}.json`);
  const summary = await train({
    model: { config: layout.startsWith('ep') ? mixture : dense },
    data: tokenFile,
    layout: parseLayout(layout),
    precision: 'f32',
    steps: 2,
    learningRate: 1e-3,
    seed: 0,
    seqLen: 16,
    globalBatch: 4,
    microBatch: 1,
    out: join(folder, `out ${layout}`),
    trace: file,
    pool,
  });
  const events = JSON.parse(readFileSync(file, 'utf8')) as Event[];
  return { summary, events, spans: events.filter(({ ph }) => ph === 'X') };
}

// Over ep as many rows are sent and multiplied as tokens chose.
const layouts = ['dp=2', 'tp=2,pp=2,sp', 'ep=2'] as const;
const runs = new Map<string, Awaited<ReturnType<typeof traced>>>();
beforeAll(async () => {
  for (const layout of layouts) runs.set(layout, await traced(layout));
});

test.each(layouts)('%s: bytes and FLOPs of the spans are the counters', async (layout) => {
  const { summary, spans } = runs.get(layout)!;
  const sent = summary.ranks.map(() => ({}) as Record<string, Record<string, number>>);
  const flops = summary.ranks.map(() => 0);
  for (const { pid, name, args } of spans) {
    flops[pid]! += Number(args.flops ?? 0);
    if (args.bytes === undefined) continue;
    const [ofRank, op] = [sent[pid]!, name.split(' ')[0]!];
    const before = ofRank[args.axis!];
    ofRank[args.axis!] = { ...before, [op]: (before?.[op] ?? 0) + Number(args.bytes) };
  }
  expect(sent).toEqual(summary.bytesSent);
  expect(flops).toEqual(summary.ranks.map((rank) => rank.flops));
  expect(Math.min(...flops)).toBeGreaterThan(0);
  expect(overlapping(spans)).toEqual([]);
});

/** Spans of one track that neither hold each other nor are apart. Times are in steps of a quarter microsecond. */
function overlapping(spans: readonly Event[]): string[] {
  const open = new Map<string, Event[]>();
  return spans
    .toSorted((a, b) => a.ts - b.ts || b.dur - a.dur)
    .flatMap((span) => {
      const track = `${span.pid} ${span.tid}`;
      const around = (open.get(track) ?? []).filter(({ ts, dur }) => ts + dur > span.ts + 0.5);
      open.set(track, [...around, span]);
      return around
        .filter(({ ts, dur }) => ts + dur < span.ts + span.dur - 0.5)
        .map((other) => `rank ${span.pid}: ${other.name} and ${span.name}`);
    });
}

test('spans say where in the step they are, and are named for all they hold', () => {
  const { spans, events } = runs.get('tp=2,pp=2,sp')!;
  const of = (pid: number, cat: string) => spans.filter((span) => span.pid === pid && span.cat === cat);
  const place = ({ name, args: { step, phase, microbatch, stage, layer } }: Event) =>
    [name, step, phase, microbatch, stage, layer].filter((each) => each !== undefined).join(' | ');
  const places = (pid: number) => [...of(pid, 'compute'), ...of(pid, 'communication')].map(place);
  for (const expected of [
    'block 0 attention + mlp | 1 | forward | 0 | 0 | 0',
    'block 0 backward mlp | 2 | backward | 3 | 0 | 0',
    'reduceScatter block 0 mlp | 1 | forward | 2 | 0 | 0',
    'send microbatch 1 activation to stage 1 | 1 | forward | 1 | 0',
    'recv microbatch 1 gradient from stage 1 | 2 | backward | 1 | 0',
    'allReduce gradient norm | 1 | finish | 0',
  ])
    expect(places(0)).toContain(expected);
  expect(places(3)).toContain('backward head | 1 | backward | 0 | 1');
  expect(of(3, 'communication').find(({ name }) => name.startsWith('recv'))!.args.shape).toBe('1 × 8 × 32');
  // What holds what: the pipeline's order on one track, the rest of a step on its own.
  expect(
    of(0, 'step')
      .map(({ name, args }) => `${args.step} ${name}`)
      .slice(-10),
  ).toEqual([
    '2 forward 0',
    '2 forward 1',
    '2 backward 0',
    '2 forward 2',
    '2 backward 1',
    '2 forward 3',
    '2 backward 2',
    '2 backward 3',
    '2 finish',
    '2 step 2',
  ]);
  expect(of(0, 'data').map(({ name }) => name)).toEqual(['read sequences', 'read sequences']);
  expect(of(0, 'checkpoint').map(({ name }) => name)).toEqual(['save step 2']);
  const names = events.filter(({ name }) => name === 'process_name').map(({ pid, args }) => [pid, args.name]);
  expect(new Map(names as [number, string][]).get(3)).toBe('rank 3 (tp 1, pp 1)');
});

test('a rank by its coordinates on axes of several ranks', () => {
  expect(rankName(parseLayout('tp=1'), 0)).toBe('rank 0');
  expect(rankName(parseLayout('tp=2,dp=3'), 5)).toBe('rank 5 (tp 1, dp 2)');
});
