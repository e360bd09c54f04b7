// Replicas that take steps of their own and meet after every so many, against one rank a replica and the outer step in plain numbers.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Sequence } from '../src/data/sequences.ts';
import { oneRank, parseLayout } from '../src/mesh/layout.ts';
import { coordsOf, worldSize } from '../src/mesh/mesh.ts';
import { trafficBytes } from '../src/mesh/traffic.ts';
import { allGather, reduceScatter } from '../src/ops/collectives.ts';
import { meanOfSum, outerStep } from '../src/ops/outer.ts';
import { predictRank } from '../src/plan/predict-step.ts';
import { elementBytes, type Value } from '../src/program/program.ts';
import { input, startTrace } from '../src/program/trace.ts';
import { stepOrder } from '../src/step/balance.ts';
import { buildOuterStep } from '../src/step/outer-step.ts';
import type { OuterSettings, StepSettings } from '../src/step/settings.ts';
import { talkOf } from '../src/step/talk.ts';
import { lossNumbers } from '../src/step/token-buffers.ts';
import { buildTrainingStep } from '../src/step/training-step.ts';
import { type OptimizerSettings, optimizerDefaults } from '../src/train/optimizer.ts';
import { type Harder, heldUp, sequencesOf, tolerances } from './compare-with-one-rank.ts';
import type { EqualityResult } from './equality-rank.ts';
import { runEquality } from './equality-run.ts';
import { anyCase, type Case, nameOf, onOneRank, settingsOf } from './random-cases.ts';
import { sharedPool } from './shared-pool.ts';
import { assemble, difference, largest, type WholeTensors } from './whole-tensors.ts';

const pool = sharedPool();

interface Ran {
  readonly losses: readonly number[];
  readonly gradNorms: readonly number[];
  readonly figures: readonly number[];
  readonly tensors: WholeTensors;
}

interface Work {
  readonly sequences: readonly Sequence[];
  readonly optimizer: OptimizerSettings;
  readonly steps: number;
  readonly after?: { readonly steps: number; readonly tensors: WholeTensors };
}

async function run(settings: StepSettings, work: Work, harder?: Harder): Promise<Ran> {
  const held = harder ? { heldUp: heldUp(talkOf(settings), harder) } : {};
  const results: readonly EqualityResult[] = await runEquality({ settings, ...work, ...held }, pool);
  const [{ losses, gradNorms, figures }] = results as [EqualityResult];
  for (const other of results) expect(other).toMatchObject({ losses, gradNorms, figures });
  return { losses, gradNorms, figures, tensors: assemble(results) };
}

/** The sequences of every replica, step after step. */
function dealtOut(settings: StepSettings, sequences: readonly Sequence[]): Sequence[][] {
  const { layout, microBatch, microbatches } = settings;
  const each = layout.ep * microBatch * microbatches;
  const perStep = layout.dp * each;
  const dealt: Sequence[][] = Array.from({ length: layout.dp }, () => []);
  for (let first = 0; first < sequences.length; first += perStep) {
    const order = stepOrder(settings, (index) => sequences[first + index]!.documents!);
    for (const [place, index] of order.entries()) dealt[Math.floor(place / each)]!.push(sequences[first + index]!);
  }
  return dealt;
}

const meanOf = (all: readonly (readonly number[])[]): number[] =>
  all[0]!.map((_, i) => all.reduce((sum, each) => sum + each[i]!, 0) / all.length);

type Tensors = ReadonlyMap<string, Float64Array>;

/** Every replica is a rank of its own, started anew after every outer step with its weights and its own moments. */
async function glued(
  settings: StepSettings,
  outer: OuterSettings,
  { sequences, optimizer, steps }: Work,
): Promise<Ran> {
  const { layout, microbatches } = settings;
  const { outer: _, ...alone } = { ...onOneRank(settings), microbatches: layout.ep * microbatches };
  const replicas = dealtOut(settings, sequences);
  let agreed: Tensors | undefined;
  const momentum = new Map<string, Float64Array>();
  const moments: (WholeTensors | undefined)[] = replicas.map(() => undefined);
  const [losses, gradNorms, figures]: [number[], number[], number[]] = [[], [], []];
  for (let done = 0; done < steps; done += outer.every) {
    // Nothing was done: their weights are those that all start from.
    if (agreed === undefined) agreed = (await run(alone, { sequences, optimizer, steps: 0 })).tensors.get('parameter')!;
    const ran: Ran[] = [];
    for (const [replica, own] of replicas.entries()) {
      const tensors = new Map([...(moments[replica] ?? []), ['parameter', agreed]]);
      ran.push(await run(alone, { sequences: own, optimizer, steps: outer.every, after: { steps: done, tensors } }));
      const after = ran.at(-1)!.tensors;
      moments[replica] = new Map(['firstMoment', 'secondMoment'].map((role) => [role, after.get(role)!]));
    }
    losses.push(...meanOf(ran.map((each) => each.losses)));
    gradNorms.push(...meanOf(ran.map((each) => each.gradNorms)));
    figures.push(...meanOf(ran.map((each) => each.figures)));
    agreed = new Map(
      [...agreed].map(([name, before]) => {
        const after = ran.map(({ tensors }) => tensors.get('parameter')!.get(name)!);
        const gradient = before.map(
          (value, i) => after.reduce((sum, each) => sum + (value - each[i]!), 0) / after.length,
        );
        const velocity = (momentum.get(name) ?? new Float64Array(before.length)).map(
          (value, i) => outer.momentum * value + gradient[i]!,
        );
        momentum.set(name, velocity);
        return [
          name,
          before.map((value, i) => value - outer.learningRate * (gradient[i]! + outer.momentum * velocity[i]!)),
        ];
      }),
    );
  }
  const named = moments.flatMap((each, replica) =>
    [...each!].map(([role, tensors]) => [layout.dp > 1 ? `${role} of replica ${replica}` : role, tensors] as const),
  );
  return { losses, gradNorms, figures, tensors: new Map<string, Tensors>([['parameter', agreed!], ...named]) };
}

/** What a case's settings are when its replicas meet after every so many steps. */
const withOuter = (each: Case, outer: OuterSettings): StepSettings => ({ ...settingsOf(each, 'f64'), outer });

const outerOf = fc.record({
  every: fc.integer({ min: 1, max: 3 }),
  learningRate: fc.double({ min: 0.1, max: 1, noNaN: true }),
  momentum: fc.double({ min: 0, max: 0.95, noNaN: true }),
});
/** ZeRO shares out over dp what replicas hold each for itself; biases move by the load of all of them, who do as much each. */
const cases = anyCase.map(
  ({ router, shares: _, speeds: __, ...each }): Case => ({
    ...each,
    layout: { ...each.layout, zero: 0 },
    ...(router ? { router: { ...router, biasRate: 0 } } : {}),
  }),
);
const replicated = cases.filter(({ layout }) => layout.dp > 1 && layout.dp <= 4);

test('equals one rank a replica and plain numbers, for random models and layouts', async () => {
  await fc.assert(
    fc.asyncProperty(replicated, outerOf, async (each, outer) => {
      const settings = withOuter(each, outer);
      const steps = 2 * outer.every;
      const work = { sequences: sequencesOf(each, steps), optimizer: optimizerDefaults(1e-3, steps), steps };
      const many = await run(settings, work);
      const one = await glued(settings, outer, work);
      const label = `${nameOf(each)} ${JSON.stringify(outer)}`;
      // Sums in another order, as between layouts; the outer step adds a few roundings.
      expect(difference(many.losses, one.losses), label).toBeLessThan(tolerances.f64);
      expect(difference(many.gradNorms, one.gradNorms), label).toBeLessThan(tolerances.f64);
      expect(difference(many.figures, one.figures), label).toBeLessThan(tolerances.f64);
      for (const [what, wholes] of one.tensors)
        for (const [name, whole] of wholes) {
          const scale = largest(what === 'parameter' ? whole : wholes.get(name.replace(/bias#k$/, 'bias#q'))!);
          expect(
            difference(many.tensors.get(what)!.get(name)!, whole, scale),
            `${what} of ${name}, ${label}`,
          ).toBeLessThan(tolerances.f64);
        }
    }),
    { numRuns: 5, endOnFailure: true, timeout: 60_000 },
  );
});

test('replicas that are held up at random points, with small thresholds, train as they do otherwise', async () => {
  const limits = { smallReduceBytes: 64, chunkBytes: 512, pieceBytes: 64, inPlaceBytes: 16, inPlaceReduceBytes: 16 };
  await fc.assert(
    fc.asyncProperty(replicated, outerOf, fc.nat(1e6), async (each, outer, seed) => {
      const settings = withOuter(each, outer);
      const steps = 2 * outer.every;
      const work = { sequences: sequencesOf(each, steps), optimizer: optimizerDefaults(1e-3, steps), steps };
      const plain = await run(settings, work);
      const held = await run(settings, work, { limits, attentionBlock: 3, seed, every: 200 });
      const label = `${nameOf(each)} ${JSON.stringify(outer)} ${seed}`;
      // Pieces are summed in another order.
      expect(difference(held.losses, plain.losses), label).toBeLessThan(tolerances.f64);
      for (const [name, whole] of plain.tensors.get('parameter')!)
        expect(difference(held.tensors.get('parameter')!.get(name)!, whole), `${name}, ${label}`).toBeLessThan(
          tolerances.f64,
        );
    }),
    { numRuns: 4, endOnFailure: true, timeout: 60_000 },
  );
});

const small: Case = {
  model: {
    ...{ family: 'llama', heads: 4, kvHeads: 2, headDim: 4, hidden: 12, mlp: 16, vocab: 21, layers: 4 },
    ...{ tied: true, biases: true, window: 3 },
  },
  layout: parseLayout('tp=2,sp'),
  seqLen: 8,
  microBatch: 1,
  microbatches: 2,
};

test('one replica that averages alone trains as if nothing were done, bit for bit', async () => {
  for (const layout of ['tp=2,pp=2,sp', 'cp=2,zero=3']) {
    const each = { ...small, layout: parseLayout(layout) };
    const work = { sequences: sequencesOf(each, 6), optimizer: optimizerDefaults(1e-2, 6), steps: 6 };
    const ordinary = await run(settingsOf(each, 'f64'), work);
    for (const every of [1, 3]) {
      const averaged = await run(withOuter(each, { every, learningRate: 1, momentum: 0 }), work);
      expect(averaged).toEqual(ordinary);
    }
  }
});

test('two replicas that see the same train as one, bit for bit', async () => {
  const outer = { every: 3, learningRate: 0.7, momentum: 0.9 };
  const optimizer = optimizerDefaults(1e-2, 6);
  for (const [alone, doubled] of [
    ['tp=2,sp', 'tp=2,sp,dp=2'],
    ['pp=2,schedule=zb-h1', 'pp=2,dp=2,schedule=zb-h1'],
  ] as const) {
    const each = { ...small, layout: parseLayout(alone) };
    const sequences = sequencesOf(each, 6);
    const one = await run(withOuter(each, outer), { sequences, optimizer, steps: 6 });
    const twice = Array.from({ length: 2 * sequences.length }, (_, i) => sequences[2 * Math.floor(i / 4) + (i % 2)]!);
    const two = await run(withOuter({ ...each, layout: parseLayout(doubled) }, outer), {
      ...{ sequences: twice, optimizer, steps: 6 },
    });
    expect(two.losses).toEqual(one.losses);
    expect(two.gradNorms).toEqual(one.gradNorms);
    expect(two.tensors.get('parameter')).toEqual(one.tensors.get('parameter'));
    for (const replica of [0, 1])
      expect(two.tensors.get(`secondMoment of replica ${replica}`)).toEqual(one.tensors.get('secondMoment'));
  }
});

test('what a replica has for itself passes for no whole: a forgotten sum is an error while tracing', () => {
  const trace = startTrace({ ...oneRank, dp: 2 }, coordsOf({ ...oneRank, dp: 2 }, 0));
  const own = input(trace, [4], { dp: 'P' });
  const part = () => input(trace, [4], { dp: 'V0' });
  const attrs = { replicas: 2, learningRate: 0.7, momentum: 0.9 };
  const step = (sum: Value) => outerStep({ sum, synchronised: part(), momentum: part() }, attrs);
  expect(() => step(own)).toThrow(/^outerStep: on axis dp, .*partial/);
  expect(() => meanOfSum(own, 2)).toThrow(/^meanOfSum: on axis dp, .*partial/);
  const sum = reduceScatter(input(trace, [8], { dp: 'P' }), 'dp', 0);
  expect(allGather(step(sum), 'dp', 0, 'I').types).toEqual({ dp: 'I' });
});

test('between synchronisations nothing goes over dp but losses, a norm and loads of experts', () => {
  fc.assert(
    fc.property(replicated, outerOf, fc.constantFrom('f32' as const, 'f64' as const), (each, outer, precision) => {
      const settings = { ...withOuter(each, outer), precision };
      const { layout } = settings;
      for (let rank = 0; rank < worldSize(layout); rank++) {
        const step = buildTrainingStep(settings, rank);
        const { dp, ...rest } = predictRank(step).bytesSent;
        const routing = step.routing === undefined ? [] : [step.buffers[step.routing]!.bytes];
        const told = [lossNumbers(settings) * elementBytes('float', precision), 8, ...routing];
        expect(dp).toEqual({
          allReduce: told.reduce((sum, bytes) => sum + trafficBytes('allReduce', bytes, layout.dp), 0),
        });
        expect(Object.keys(rest).filter((axes) => axes.split('+').includes('dp'))).toEqual([]);
        // The parameters (but those without gradients) once there and once back, a part of them at a time.
        const program = buildOuterStep(settings, outer, rank);
        const bytes = step.state.reduce(
          (sum, { role, size }) => sum + (role === 'gradient' ? size * elementBytes('float', precision) : 0),
          0,
        );
        const sent = {
          reduceScatter: trafficBytes('reduceScatter', bytes, layout.dp),
          allGather: trafficBytes('allGather', bytes / layout.dp, layout.dp),
        };
        expect(predictRank(program).bytesSent).toEqual({ dp: sent });
        // Each holds a part of what the replicas agreed on, and of the momentum.
        const held = (role: string) =>
          step.state.reduce((sum, vector) => sum + (vector.role === role ? vector.size : 0), 0);
        expect(held('synchronised')).toBe(held('gradient') / layout.dp);
        expect(held('outerMomentum')).toBe(held('gradient') / layout.dp);
      }
      expect(coordsOf(layout, worldSize(layout) - 1).dp).toBe(layout.dp - 1);
    }),
    { numRuns: 20 },
  );
});
