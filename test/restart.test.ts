// Runs that lose ranks go on from their last checkpoint, and end as runs that lost none.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readManifest } from '../src/checkpoint/commit.ts';
import { preparePairs } from '../src/data/pairs.ts';
import { dataSources } from '../src/data/source.ts';
import { prepareTokens } from '../src/data/tokens.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import type { Figures, RestartReport, TrainReport } from '../src/train/job.ts';
import { launch, type TrainSummary } from '../src/train/launch.ts';
import { layOut } from '../src/train/lay-out.ts';
import { planRun } from '../src/train/plan-run.ts';
import type { TrainSettings } from '../src/train/settings.ts';
import { settle } from '../src/train/settle.ts';
import { savedNumbers, savedTensors } from './saved-numbers.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { tinyLlama } from './tiny-llama.ts';
import { tinyMixtral } from './tiny-mixtral.ts';
import { difference } from './whole-tensors.ts';

const root = temporaryFolder('restart');
const model = join(root, 'config.json');
const mixture = join(root, 'mixture.json');
const data = join(root, 'text.txt');
writeFileSync(model, JSON.stringify(tinyLlama));
writeFileSync(mixture, JSON.stringify(tinyMixtral));
writeFileSync(data, 'What do you split, what do you duplicate, and who does all the talking? '.repeat(40));

// So little memory for a rank's objects that it is full at once.
const pool = createPool({ resourceLimits: { maxOldGenerationSizeMb: 96 } });
afterAll(() => pool.close());

const steps = 8;
const common = {
  model,
  data: [data],
  steps,
  seqLen: 8,
  globalBatch: 4,
  precision: 'f64',
  timeoutSeconds: 60,
} as const;

interface Ran {
  readonly summary: TrainSummary;
  readonly reports: readonly TrainReport[];
  readonly out: string;
}

/** With ep the model has experts. `lost`: the rank that is lost, as test/lost-rank.ts is told. */
async function run(given: TrainSettings, lost?: string, reports: TrainReport[] = []): Promise<Ran> {
  const out = join(mkdtempSync(join(root, 'run-')), 'out');
  const experts = given.layout?.includes('ep=') ? { model: mixture } : {};
  const settled = settle({ ...common, ...experts, out, ...given });
  const cacheDirectory = mkdtempSync(join(root, 'tokens-'));
  const { objective, seqLen } = settled.run;
  const options = {
    sources: dataSources(settled.run.data, settled.run.mix),
    tokenizer: settled.tokenizer,
    cacheDirectory,
    vocabSize: settled.model.config.vocabSize,
  };
  const tokens =
    objective === 'dpo' ? await preparePairs({ ...options, seqLen, pack: false }) : await prepareTokens(options);
  const module = lost === undefined ? [] : [new URL(`./lost-rank.ts?${lost}`, import.meta.url)];
  const summary = await launch(
    planRun(await layOut(settled, {}), tokens, cacheDirectory),
    { pool, onReport: (report) => reports.push(report) },
    ...module,
  );
  return { summary, reports, out };
}

const restartsOf = ({ reports }: Pick<Ran, 'reports'>): RestartReport[] =>
  reports.filter((report): report is RestartReport => report.kind === 'restart');
const lossesOf = ({ summary }: Ran): number[] => summary.steps.map(({ loss }) => loss);
/** What every step tells, of routers and of preferences too. */
const toldBy = ({ summary }: Ran): Figures[] => summary.steps.map(({ loss, figures }) => ({ loss, ...figures }));

const flopsOf = (ranks: readonly { readonly flops: number }[]): number =>
  ranks.reduce((sum, { flops }) => sum + flops, 0);

const played = new Map<string, Promise<Ran>>();
/** A run that nothing happens to, played once. */
function undisturbed(given: TrainSettings): Promise<Ran> {
  const key = JSON.stringify(given);
  const ran = played.get(key) ?? run(given);
  played.set(key, ran);
  return ran;
}
const shared = { layout: 'ep=2,dp=2,zero=2', biasRate: 0.01, auxLoss: 0.1, capacity: 1 } as const;

test.each([
  ['tp=2', 1, 'exit', /status 3/, {}],
  ['dp=2,zero=1', 0, 'heap', /memory/, {}],
  ['ep=2', 1, 'stall', /no heartbeat for 3 s/, { biasRate: 0.01, timeoutSeconds: 3 }],
  [shared.layout, 2, 'throw', /no more/, shared],
  ['ep=2,pp=2', 3, 'exit', /status 3/, { routing: 'experts' }],
] as const)(
  '%s: rank %i is lost (%s) and the run ends as if it had not been',
  async (layout, rank, death, problem, more) => {
    const whole = await undisturbed({ layout, ...more });
    const ran = await run({ layout, ...more, saveEvery: 3, restart: 2 }, `rank=${rank}&step=5&death=${death}`);
    expect(restartsOf(ran)).toEqual([
      { kind: 'restart', rank, problem: expect.stringMatching(problem), step: 3, layout, givenUp: false, left: 1 },
    ]);
    expect(toldBy(ran)).toEqual(toldBy(whole));
    expect(savedNumbers(ran.out)).toEqual(savedNumbers(whole.out));
    // Steps 4 and 5 were done twice, and stand once among the figures.
    const done = ran.reports.flatMap((report) => (report.kind === 'step' && report.step > 3 ? [report.step] : []));
    expect(done.slice(0, 2)).toEqual([4, 5]);
    expect(done.slice(-5)).toEqual([4, 5, 6, 7, 8]);
    const figures = readFileSync(join(ran.out, 'metrics.jsonl'), 'utf8').trim().split('\n');
    expect(figures.map((line) => (JSON.parse(line) as { step: number }).step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    // What is predicted is that of the ranks that ran last, but for what a capacity drops. How experts' rows fall to ranks is not.
    const { ranks, predicted } = ran.summary;
    if (!layout.includes('ep=')) expect(ranks.map(({ flops }) => flops)).toEqual(predicted.map(({ flops }) => flops));
    if (!('capacity' in more)) expect(flopsOf(ranks)).toBe(flopsOf(predicted));
  },
);

describe('pairs', () => {
  const pairs = join(root, 'pairs.jsonl');
  const lines = Array.from({ length: 8 }, (_, i) => ({
    prompt: 'so',
    chosen: `me ${i}`,
    rejected: 'it'.repeat(i + 1),
  }));
  writeFileSync(pairs, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const given = {
    objective: 'dpo',
    data: [pairs],
    seqLen: 24,
    learningRate: 1e-2,
    layout: 'ep=2',
  } as const;
  const passesOf = ({ reports }: Ran) => reports.filter(({ kind }) => kind === 'reference').length;

  test('a rank is lost, and the run goes on with the reference it was started with', async () => {
    const ran = await run({ ...given, saveEvery: 3, restart: 1 }, 'rank=1&step=5&death=throw');
    const whole = await undisturbed(given);
    expect(restartsOf(ran)).toMatchObject([{ rank: 1, step: 3, layout: 'ep=2', left: 0 }]);
    expect(toldBy(ran)).toEqual(toldBy(whole));
    // It prefers already; by a reference made anew its first margin would be 0.
    expect(toldBy(ran)[3]!['rewards/margins']).not.toBe(0);
    expect(passesOf(ran)).toBe(passesOf(whole));
    expect(savedNumbers(ran.out)).toEqual(savedNumbers(whole.out));
  });

  test('lost before anything was saved, it is computed again, in a layout for fewer too', async () => {
    const ran = await run({ ...given, saveEvery: 3, restart: 2 }, 'rank=1&step=2&death=throw&again');
    expect(restartsOf(ran)).toMatchObject([
      { rank: 1, step: 0, layout: 'ep=2', givenUp: false },
      { rank: 1, step: 0, layout: 'tp=1', givenUp: true },
    ]);
    const whole = await undisturbed(given);
    expect(passesOf(ran)).toBe(3 * passesOf(whole));
    expect(difference(lossesOf(ran), lossesOf(whole))).toBeLessThan(1e-10);
  });
});

describe('replicas that meet every four steps', () => {
  const given = { layout: 'ep=2,dp=2', syncEvery: 4, saveEvery: 4 } as const;

  test('a rank is lost between two meetings, and the run ends as if it had not been, from a checkpoint written beside the steps', async () => {
    const ran = await run({ ...given, restart: 1 }, 'rank=3&step=6&death=throw');
    expect(restartsOf(ran)).toMatchObject([{ rank: 3, step: 4, layout: 'ep=2,dp=2', givenUp: false }]);
    const whole = await undisturbed(given);
    expect(toldBy(ran)).toEqual(toldBy(whole));
    expect(savedNumbers(ran.out)).toEqual(savedNumbers(whole.out));
    const { bytesSent, predicted } = ran.summary;
    expect(bytesSent.map(({ dp }) => dp)).toEqual(predicted.map((each) => each.bytesSent.dp));
  });

  test('a rank is given up: as many replicas go on, each on fewer ranks', async () => {
    const ran = await run({ ...given, restart: 3 }, 'rank=3&step=6&death=throw&again');
    expect(restartsOf(ran)).toMatchObject([
      { rank: 3, step: 4, layout: 'ep=2,dp=2', givenUp: false },
      { rank: 3, step: 4, layout: 'dp=2', givenUp: true },
    ]);
    // Sums are taken in another order.
    expect(difference(lossesOf(ran), lossesOf(await undisturbed(given)))).toBeLessThan(1e-10);
  });

  test('with fewer ranks than replicas the run ends', async () => {
    const reports: TrainReport[] = [];
    const lost = run({ ...given, layout: 'dp=2', restart: 9 }, 'rank=1&step=6&death=throw&again', reports);
    await expect(lost).rejects.toMatchObject({ code: 'RANK_FAILED', values: { rank: 1, problem: 'no more' } });
    expect(restartsOf({ reports })).toMatchObject([{ rank: 1, step: 4, layout: 'dp=2', givenUp: false }]);
  });
});

test('a rank that is lost again and again is given up: the others go on in a layout for fewer, which shares experts out, too', async () => {
  const ran = await run({ ...shared, saveEvery: 3, restart: 5 }, 'rank=3&step=5&death=throw&again');
  expect(restartsOf(ran)).toMatchObject([
    { rank: 3, step: 3, layout: 'ep=2,dp=2,zero=2', givenUp: false, left: 4 },
    { rank: 3, step: 3, layout: 'ep=2,zero=2', givenUp: true, left: 3 },
  ]);
  expect(ran.summary.ranks.length).toBe(2);
  // Sums are taken in another order: some last digits, as between any two layouts.
  const whole = await undisturbed(shared);
  expect(difference(lossesOf(ran), lossesOf(whole))).toBeLessThan(1e-10);
  const [after, before] = [savedTensors(ran.out), savedTensors(whole.out)];
  expect([...after.keys()]).toEqual([...before.keys()]);
  for (const [tensor, values] of before) expect(difference(after.get(tensor)!, values), tensor).toBeLessThan(1e-10);
  expect(readManifest(ran.out)?.step).toBe(steps);
});

test('by speed, too: what is left of the ranks is alike', async () => {
  const given = { layout: 'dp=2', speeds: [0.3, 1], microBatch: 1 } as const;
  const ran = await run({ ...given, saveEvery: 3, restart: 5 }, 'rank=1&step=5&death=throw&again');
  expect(restartsOf(ran)).toMatchObject([
    { rank: 1, step: 3, layout: 'dp=2', givenUp: false },
    { rank: 1, step: 3, layout: 'tp=1', givenUp: true },
  ]);
  expect(difference(lossesOf(ran), lossesOf(await run(given)))).toBeLessThan(1e-10);
});

test('lost before anything was saved, the run begins anew, and no more often than allowed', async () => {
  const reports: TrainReport[] = [];
  const lost = run({ layout: 'pp=2', saveEvery: 3, restart: 1 }, 'rank=1&step=2&death=throw&again', reports);
  await expect(lost).rejects.toMatchObject({ code: 'RANK_FAILED', values: { rank: 1, problem: 'no more' } });
  expect(restartsOf({ reports })).toMatchObject([{ rank: 1, step: 0, layout: 'pp=2', givenUp: false, left: 0 }]);
});
