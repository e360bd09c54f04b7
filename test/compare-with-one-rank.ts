// Trains one case on its layout and on one rank, and lists how far every number of the two runs is apart.

import { createThreadsWorld } from '../src/runtime/transport/threads/world-state.ts';
import type { TransportLimits } from '../src/runtime/transport/transport.ts';
import { runWorld } from '../src/runtime/world.ts';
import type { WorldPool } from '../src/runtime/world-pool.ts';
import type { StepSettings } from '../src/step/settings.ts';
import { type Talk, talkOf } from '../src/step/talk.ts';
import { type OptimizerSettings, optimizerDefaults } from '../src/train/optimizer.ts';
import type { EqualityJob, EqualityResult, HeldUp } from './equality-rank.ts';
import { type Case, nameOf, onOneRank, settingsOf } from './random-cases.ts';
import { assemble, difference, largest, type WholeTensor } from './whole-tensors.ts';

const steps = 3;
export type Precision = StepSettings['precision'];

/**
 * The largest difference over the tensor's largest element (losses: over the loss).
 * f64: sums of a few thousand terms in another order differ by some 1e-14; a wrong term differs by far more than 1e-10.
 * f32: the same sums, 2^29 times coarser, differ by some 1e-6.
 */
export const tolerances: Readonly<Record<Precision, number>> = { f64: 1e-10, f32: 1e-5 };

/**
 * A few small random models in a hundred magnify rounding in f32: a gradient that is all but cancelled, or a step onto a steep
 * place. One rank in f32 is then as far from the truth, which is one rank in f64; a layout may be some times as far, never more
 * than `most`.
 */
const ownRounding = { times: 10, most: 1e-3 };

/**
 * f64 trains with AdamW as users do. In f32 epsilon is as large as the gradients: with the usual 1e-8, AdamW divides a gradient
 * by its own size, so an element whose gradient is nothing but rounding moves by the whole learning rate in a direction that no
 * two orders of summing agree on. The update is then smooth in the gradient, and weights agree as well as gradients do.
 */
const optimizerOf = (precision: Precision): OptimizerSettings =>
  precision === 'f64' ? optimizerDefaults(1e-3, steps) : { ...optimizerDefaults(0.1, steps), epsilon: 1 };

function sequencesOf({ model, layout, seqLen, microBatch, microbatches }: Case): number[][] {
  const count = steps * layout.dp * microBatch * microbatches;
  const token = (i: number) => (Math.imul(i + 7, 0x9e3779b1) >>> 8) % model.vocab;
  return Array.from({ length: count }, (_, row) =>
    Array.from({ length: seqLen + 1 }, (_, i) => token(row * (seqLen + 1) + i)),
  );
}

interface Ran {
  readonly results: readonly EqualityResult[];
  readonly tensors: ReadonlyMap<string, WholeTensor>;
}

/** How many ranks are to be run, other than as users do. */
export interface Harder {
  /** Thresholds of the transport, small enough that small models cross them. */
  readonly limits: Partial<TransportLimits>;
  readonly attentionBlock: number;
  /** Decides where ranks are held up. */
  readonly seed: number;
  /** Accesses to shared memory from one delay to the next, on average. */
  readonly every: number;
  /** With a fault, to see that it shows. */
  readonly late?: boolean;
}

async function run(
  settings: StepSettings,
  sequences: readonly (readonly number[])[],
  optimizer: OptimizerSettings,
  pool: WorldPool,
  harder?: Harder,
): Promise<Ran> {
  const talk = talkOf(settings);
  const job: EqualityJob = {
    settings,
    optimizer,
    steps,
    sequences,
    ...(harder ? { heldUp: heldUp(talk, harder) } : {}),
  };
  const results = (await runWorld({
    plan: { ...talk, timeoutSeconds: 60 },
    rankModule: new URL('./equality-rank.ts', import.meta.url),
    jobs: Array.from({ length: talk.size }, () => job),
    pool,
  })) as EqualityResult[];
  return { results, tensors: assemble(results) };
}

const heldUp = (talk: Talk, { limits, seed, every, late = false }: Harder): HeldUp => ({
  shared: createThreadsWorld({ ...talk, limits, timeoutSeconds: 60 }),
  seed,
  every,
  late,
});

export interface Difference {
  readonly what: string;
  readonly size: number;
}

/**
 * A key bias without rotation adds the same to all scores of a query: its gradient is zero, and all that is there is rounding.
 * It is measured against the gradient of the query bias.
 */
function scaleOf(name: string, step: number, wholes: ReadonlyMap<string, WholeTensor>): number {
  return largest(wholes.get(name.replace(/bias#k$/, 'bias#q'))!.gradients[step]!);
}

/** How far every loss, norm, gradient and weight is from those of one rank. */
function differences(many: Ran, one: Ran): Difference[] {
  const { losses, gradNorms } = one.results[0]!;
  const absent = [...one.tensors.keys()].filter((name) => !many.tensors.has(name));
  if (absent.length > 0 || many.tensors.size !== one.tensors.size)
    throw new Error(`${many.tensors.size} of ${one.tensors.size} parameters, without ${absent}`);
  return [
    ...many.results.flatMap((mine, rank) =>
      losses.flatMap((loss, step) => [
        { what: `loss ${step + 1} on rank ${rank}`, size: difference([mine.losses[step]!], [loss]) },
        { what: `norm ${step + 1} on rank ${rank}`, size: difference([mine.gradNorms[step]!], [gradNorms[step]!]) },
      ]),
    ),
    ...[...one.tensors].flatMap(([name, whole]) => {
      const mine = many.tensors.get(name)!;
      return [
        { what: `weight ${name}`, size: difference(mine.weight, whole.weight) },
        ...whole.gradients.map((gradient, step) => ({
          what: `gradient ${step + 1} of ${name}`,
          size: difference(mine.gradients[step]!, gradient, scaleOf(name, step, one.tensors)),
        })),
      ];
    }),
  ];
}

/** NaN counts as the worst. */
const worstOf = (all: readonly Difference[]): Difference =>
  all.reduce((a, b) => (Number.isNaN(a.size) || b.size <= a.size ? a : b));

export interface Verdict extends Difference {
  readonly allowed: number;
}

/** The worst difference of a case from one rank, and what is allowed. */
export async function compare(each: Case, precision: Precision, pool: WorldPool, harder?: Harder): Promise<Verdict> {
  const settings = settingsOf(each, precision);
  const alone = onOneRank(settings);
  const sequences = sequencesOf(each);
  const optimizer = optimizerOf(precision);
  const one = await run(alone, sequences, optimizer, pool);
  const cut = harder ? { ...settings, attentionBlock: harder.attentionBlock } : settings;
  const worst = worstOf(differences(await run(cut, sequences, optimizer, pool, harder), one));
  if (precision === 'f64' || worst.size <= tolerances.f32) return { ...worst, allowed: tolerances[precision] };
  const truth = await run({ ...alone, precision: 'f64' }, sequences, optimizer, pool);
  const own = worstOf(differences(one, truth)).size;
  return { ...worst, allowed: Math.max(tolerances.f32, Math.min(ownRounding.most, ownRounding.times * own)) };
}

/** Throws, naming the case and its worst tensor, when it is further from one rank than allowed. */
export async function expectEqual(each: Case, precision: Precision, pool: WorldPool, harder?: Harder): Promise<void> {
  const { what, size, allowed } = await compare(each, precision, pool, harder);
  if (!(size <= allowed))
    throw new Error(`${precision} ${nameOf(each)}\n${what} differs by ${size} of its size; ${allowed} is allowed`);
}
