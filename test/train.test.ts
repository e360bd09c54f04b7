// train() as a library has it: defaults, checks, and what it measures on the way.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generate } from '../src/generate/generate.ts';
import type { LayoutProgress } from '../src/train/choose-layout.ts';
import type { EvaluationReport } from '../src/train/job.ts';
import type { RunPlan } from '../src/train/plan-run.ts';
import { type TrainOptions, train } from '../src/train/train.ts';
import { documentLengths, documentLines } from './documents.ts';
import { sharedPool } from './shared-pool.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { tinyLlama } from './tiny-llama.ts';

const root = temporaryFolder('train');
const pool = sharedPool();
const model = join(root, 'config.json');
const data = join(root, 'text.txt');
writeFileSync(model, JSON.stringify(tinyLlama));
writeFileSync(data, 'What do you split, what do you duplicate, and who does all the talking? '.repeat(60));

test('a model and data are enough', async () => {
  const stop = new AbortController();
  const steps: number[] = [];
  const run = train({
    model,
    data,
    pool,
    signal: stop.signal,
    onReport: (report) => {
      if (report.kind === 'step') steps.push(report.step);
      if (steps.length === 2) stop.abort(new Error('enough'));
    },
  });
  await expect(run).rejects.toMatchObject({ code: 'RUN_ABORTED' });
  expect(steps.slice(0, 2)).toEqual([1, 2]);
});

test.each([
  ['dp=2', [1, 0.3], 'by speed, replicas do 5, 1 microbatches of a step'],
  ['pp=2', [0.3, 1], 'by speed, stages have 1, 3 layers'],
  ['tp=2,pp=2,dp=2', [1, 1, 0.4, 1, 1, 1, 0.2, 0.2], 'by speed, replicas do 5, 1 microbatches of a step'],
] as const)('%s at speeds %j trains to the numbers of one rank, and is predicted', async (layout, speeds, note) => {
  const given = { model, set: ['num_hidden_layers=4'], data, pool, seqLen: 16, globalBatch: 6, microBatch: 1 } as const;
  const exact = { ...given, precision: 'f64', steps: 3 } as const;
  const one = await train({ ...exact, layout: 'tp=1' });
  let plan: RunPlan | undefined;
  const uneven = await train({
    ...{ ...exact, layout, speeds },
    onPlan: (planned) => {
      plan = planned;
    },
  });
  expect(plan!.notes).toContain(note);
  // Sums in another order differ by some 1e-14 of the loss.
  for (const [step, { loss, gradNorm }] of uneven.steps.entries()) {
    expect(Math.abs(loss / one.steps[step]!.loss - 1)).toBeLessThan(1e-10);
    expect(Math.abs(gradNorm / one.steps[step]!.gradNorm - 1)).toBeLessThan(1e-10);
  }
  expect(uneven.ranks.map(({ flops }) => flops)).toEqual(uneven.predicted.map(({ flops }) => flops));
  expect(uneven.bytesSent).toEqual(uneven.predicted.map(({ bytesSent }) => bytesSent));
  expect(uneven.ranks.map(({ peakBytes }) => peakBytes)).toEqual(uneven.predicted.map(({ peakBytes }) => peakBytes));
});

test('speeds may be measured, and a layout chosen by what was measured', async () => {
  let plan: RunPlan | undefined;
  const onPlan = (planned: RunPlan) => {
    plan = planned;
  };
  const given = { model, data, pool, seqLen: 16, globalBatch: 6, steps: 1, onPlan } as const;
  await train({ ...given, layout: 'dp=2', speeds: 'measure' });
  expect(Math.max(...plan!.settings.speeds!)).toBe(1);
  expect(plan!.settings.speeds!.length).toBe(2);
  expect(plan!.run.speeds).toBe('measure');
  await train({ ...given, layout: 'auto', speeds: [1, 0.5] });
  expect(plan!.settings.speeds).toEqual([1, 0.5]);
  expect(plan!.settled.because).toMatch(/was chosen by an estimate of .* s a step; next is .*(as fast|% slower)$/);
});

test('stopped while its data are prepared, it says the same', async () => {
  const run = train({ model, data, steps: 1, signal: AbortSignal.abort(new Error('enough')), pool });
  await expect(run).rejects.toMatchObject({ code: 'RUN_ABORTED', message: 'run aborted: enough' });
});

test('options that are no object are refused', async () => {
  for (const none of [null, 'llama-tiny', 3])
    await expect(train(none as never)).rejects.toMatchObject({
      exit: 2,
      message: expect.stringContaining('no object'),
    });
  await expect(generate(null as never)).rejects.toMatchObject({ exit: 2 });
});

const wrong: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
  ['no data', { data: undefined }, /^data: it is missing/],
  ['a setting that is none', { learningrate: 1 }, /^learningrate: there is no such setting; use one of learningRate/],
  ['fractional steps', { steps: 1.5 }, /^steps: 1\.5 is not a whole number from 1/],
  ['steps as text', { steps: '5' }, /^steps: "5" is not a whole number/],
  ['endless steps', { steps: Number.POSITIVE_INFINITY }, /^steps: Infinity/],
  ['a rate of NaN', { learningRate: Number.NaN }, /^learningRate: NaN is not a number above 0/],
  ['half a pair of betas', { betas: [0.9] }, /^betas: \[0\.9\] is not two numbers/],
  ['a beta of one', { betas: [0.9, 1] }, /^betas/],
  ['a lowest rate above the highest', { minLearningRate: 1 }, /^minLearningRate: 1 is above the learning rate/],
  ['weights without their paths', { mix: [1, 2] }, /^mix: 2 weights for 1 path/],
  ['steps and epochs', { steps: 2, epochs: 2 }, /^epochs/],
  ['a layout that is none', { layout: 'tp=two' }, /tp=two/],
  ['an empty trace', { trace: '' }, /^trace: ""/],
  ['saving nowhere', { saveEvery: 1 }, /^saveEvery: .*add out/],
  ['measuring nothing', { evalEvery: 1, heldOut: 0 }, /^evalEvery/],
  ['__proto__', JSON.parse('{"__proto__": 1}') as Record<string, unknown>, /^__proto__: there is no such setting/],
];
test.each(wrong)('%s is refused in the words of the library', async (_, options, message) => {
  const given = { model, data, seqLen: 8, globalBatch: 2, pool, ...options } as TrainOptions;
  // A literal spread would drop it.
  if (Object.hasOwn(options, '__proto__')) Object.defineProperty(given, '__proto__', { value: 1, enumerable: true });
  const error = await train(given).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ exit: 2, message: expect.stringMatching(message) });
  expect((error as Error).message).not.toContain('--');
});

/** The pool, and how many workers it was asked for. */
function watchPool() {
  let count = 0;
  const take: typeof pool.take = (workers) => {
    count += workers;
    return pool.take(workers);
  };
  return { watched: { ...pool, take }, taken: () => count };
}

const short = join(root, 'short.txt');
writeFileSync(short, 'short');
const measuredLast: readonly (readonly [string, TrainOptions, RegExp])[] = [
  ['no data', { data: join(root, 'gone.txt') }, /gone\.txt/],
  ['a microbatch that does not divide', { microBatch: 3 }, /^microBatch: 3 does not divide/],
  ['a sequence beyond the positions', { seqLen: 65 }, /^seqLen: 65 is longer/],
  ['steps and epochs', { steps: 2, epochs: 2 }, /^epochs/],
  ['steps between synchronisations', { syncEvery: 2, steps: 3 }, /^steps: 3 is no multiple/],
  ['a trace that cannot be', { trace: join(root, 'gone', 'trace.json') }, /^trace/],
  ['saving nowhere', { saveEvery: 1 }, /^saveEvery: .*add out/],
  ['a restart from nothing', { restart: 1 }, /^restart/],
  ['a lowest rate above the highest', { minLearningRate: 1 }, /^minLearningRate/],
  ['measuring nothing', { evalEvery: 1, heldOut: 0 }, /^evalEvery/],
  ['data that are too few', { data: short }, /needs at least 9 tokens but the data hold/],
  ['a step that is too long to plan', { globalBatch: 999_982, microBatch: 1 }, /longer than can be planned/],
];
test.each(measuredLast)('%s is refused before the machine is measured', async (_, options, message) => {
  const { watched, taken } = watchPool();
  // No other test has measured ranks in f64.
  const good = { model, data, seqLen: 8, globalBatch: 4, steps: 2, precision: 'f64', pool: watched } as const;
  for (const asked of [{ layout: 'auto' }, { layout: 'dp=2', speeds: 'measure' }] as const) {
    const error = await train({ ...good, ...asked, ...options }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ exit: 2, message: expect.stringMatching(message) });
  }
  expect(taken()).toBe(0);
});

test('the machine is measured on ranks of the pool', async () => {
  const { watched, taken } = watchPool();
  const told: LayoutProgress[] = [];
  const onLayOut = (progress: LayoutProgress) => void told.push(progress);
  const given = { model, data, seqLen: 8, globalBatch: 4, steps: 1, precision: 'f64', pool: watched } as const;
  await train({ ...given, layout: 'dp=2', speeds: 'measure', onLayOut });
  expect(told).toEqual([0, 1, 2].map((done) => ({ doing: 'measuring', done, total: 3 })));
  // One alone, both, both talking; then the run.
  expect(taken()).toBe(7);
});

test('stopped while a layout is chosen, it ends', async () => {
  const stop = new AbortController();
  const told: LayoutProgress[] = [];
  const onLayOut = (progress: LayoutProgress) => {
    told.push(progress);
    if (progress.doing === 'estimating') stop.abort(new Error('enough'));
  };
  const run = train({ model, data, seqLen: 8, globalBatch: 4, speeds: [1, 1], pool, signal: stop.signal, onLayOut });
  await expect(run).rejects.toMatchObject({ code: 'RUN_ABORTED', message: 'run aborted: enough' });
  const estimates = told.filter(({ doing }) => doing === 'estimating');
  expect(estimates).toEqual([{ doing: 'estimating', done: 0, total: expect.any(Number) }]);
});

test('epochs decide the steps', async () => {
  let planned = { steps: 0, epochs: 0, seen: [] as readonly number[] };
  await train({
    model,
    data,
    seqLen: 64,
    globalBatch: 8,
    epochs: 0.5,
    layout: 'tp=1',
    pool,
    onPlan: ({ run, epochs, seen }) => {
      planned = { steps: run.steps, epochs, seen };
    },
  });
  // 4,320 bytes hold 67 sequences of 64 and a target: half of them are 33.5, in batches of 8.
  expect(planned).toEqual({ steps: 5, epochs: 40 / 67, seen: [40 / 67] });
});

test('documents are packed as asked, and a person is told how well', async () => {
  const path = join(root, 'documents.jsonl');
  writeFileSync(path, documentLines(documentLengths({ count: 40, median: 20 })));
  let plan: RunPlan | undefined;
  const onPlan = (planned: RunPlan): void => {
    plan = planned;
    throw new Error('seen');
  };
  const run = train({ ...{ model, data: path, pack: true, seqLen: 64, globalBatch: 2, steps: 1, pool }, onPlan });
  await expect(run).rejects.toThrow('seen');
  const { packed } = plan!.tokens;
  expect(plan!.sequences).toBe(packed!.sequences);
  const percent = Math.floor((packed!.filled / packed!.sequences / 64) * 1000) / 10;
  expect(plan!.notes).toEqual([
    `packed 40 documents into ${packed!.sequences} sequences: ${percent} % of their positions hold a token`,
  ]);
  expect(plan!.run.pack).toBe(true);
});

test('the held-out loss is that of a token, over all of what is held out, whatever its source', async () => {
  const [calm, noisy] = [join(root, 'calm.txt'), join(root, 'noisy.txt')];
  writeFileSync(calm, 'a'.repeat(4000));
  writeFileSync(
    noisy,
    Uint8Array.from({ length: 4000 }, (_, i) => 97 + ((i * i * 7 + (i >> 3)) % 25)),
  );
  let seen: readonly number[] = [];
  const lossOn = async (data: string | string[], mix?: number[]) => {
    let evalLoss = Number.NaN;
    const given = { evalEvery: 40, evalSequences: 8, heldOut: 0.2, steps: 40, learningRate: 0.02, globalBatch: 4 };
    await train({
      ...{ model, data, mix, seqLen: 16, layout: 'tp=1', seed: 1, pool, ...given },
      onPlan: (plan) => {
        seen = plan.seen;
      },
      onReport: (report) => {
        if (report.kind === 'evaluation') evalLoss = report.loss;
      },
    });
    return evalLoss;
  };
  // A text of one letter is learnt: its loss is next to nothing. A text of 25 letters is not, and no loss is above ln 25 by much.
  const alone = [await lossOn(calm), await lossOn(noisy)] as const;
  expect(alone[0]).toBeLessThan(0.3);
  expect(alone[1]).toBeGreaterThan(1);
  expect(alone[1]).toBeLessThan(Math.log(25) + 0.5);
  // Each has 249 sequences, 199 of them to train on; 160 are trained on, three of four of the first.
  const both = await lossOn([calm, noisy], [3, 1]);
  expect(seen).toEqual([120 / 199, 40 / 199]);
  // Half of what is measured is of the second.
  expect(both).toBeGreaterThan(0.5);
  expect(both).toBeLessThan(2);
});

test('the held-out loss is the same in every layout, and what it sends and computes was predicted', async () => {
  const run = async (layout: string, globalBatch = 4) => {
    const evaluations: EvaluationReport[] = [];
    const summary = await train({
      model,
      data,
      layout,
      globalBatch,
      seqLen: 16,
      steps: 5,
      evalEvery: 2,
      evalSequences: 11,
      precision: 'f64',
      pool,
      onReport: (report) => {
        if (report.kind === 'evaluation') evaluations.push(report);
      },
    });
    summary.predicted.forEach((predicted, rank) => {
      const measured = summary.ranks[rank]!;
      expect({ ...predicted, bytesSent: summary.bytesSent[rank] }).toEqual({
        bytesSent: predicted.bytesSent,
        flops: measured.flops,
        peakBytes: measured.peakBytes,
      });
    });
    return evaluations;
  };
  const one = await run('tp=1');
  expect(one.map(({ step }) => step)).toEqual([2, 4, 5]);
  // Training brings it down, so it is measured on the weights of the step.
  expect(one[2]!.loss).toBeLessThan(one[0]!.loss);
  for (const layout of ['tp=2,sp', 'pp=2', 'dp=2', 'tp=2,pp=2,dp=2']) {
    const many = await run(layout);
    // Sums in another order, in double precision.
    many.forEach(({ loss }, i) => void expect(Math.abs(loss - one[i]!.loss), layout).toBeLessThan(1e-10));
  }
});
