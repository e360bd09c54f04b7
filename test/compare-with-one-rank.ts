// Trains one case on its layout and on one rank, and lists how far every number of the two runs is apart.

import type { Sequence } from '../src/data/sequences.ts';
import { createThreadsWorld } from '../src/runtime/transport/threads/world-state.ts';
import type { TransportLimits } from '../src/runtime/transport/transport.ts';
import type { WorldPool } from '../src/runtime/world-pool.ts';
import { replicaSequences, type StepSettings, sequencesPerStep } from '../src/step/settings.ts';
import { type Talk, talkOf } from '../src/step/talk.ts';
import { type OptimizerSettings, optimizerDefaults } from '../src/train/optimizer.ts';
import type { EqualityJob, EqualityResult, HeldUp } from './equality-rank.ts';
import { runEquality } from './equality-run.ts';
import type { FaultName } from './races/faults.ts';
import { type Case, nameOf, onOneRank, settingsOf } from './random-cases.ts';
import { assemble, difference, largest, type WholeTensors } from './whole-tensors.ts';

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

/** Sequences of so many steps. */
export function sequencesOf(each: Case, ofSteps = steps): Sequence[] {
  const { model, seqLen, microBatch, documents, preference, uncounted } = each;
  const perStep = sequencesPerStep(each);
  // Of the second step's sequences, so that the optimizer has moments to go on with.
  const none = uncounted
    ? { microbatch: microBatch, replica: replicaSequences(each)[0]!, step: perStep }[uncounted]
    : 0;
  const counts = (row: number): boolean => row < perStep || row >= perStep + none;
  const hashed = (i: number) => Math.imul(i + 7, 0x9e3779b1) >>> 8;
  return Array.from({ length: ofSteps * perStep }, (_, row) => {
    const tokens = Int32Array.from({ length: seqLen + 1 }, (_, i) => hashed(row * (seqLen + 1) + i) % model.vocab);
    const plain = { inputs: tokens.subarray(0, seqLen), targets: tokens.subarray(1) };
    if (preference) {
      const pairs = pairsOf(tokens, preference.pairs, model.vocab, hashed, row);
      return { ...plain, ...pairs, ...(counts(row) ? {} : { weights: new Float32Array(seqLen), pairs: [] }) };
    }
    if (documents === undefined) return plain;
    // Of a first document of one token over and over, too, scores have no gradient.
    if (tokens[1] === tokens[0]) tokens[1] = (tokens[0]! + 1) % model.vocab;
    const packed = documentsOf(seqLen, documents, hashed, row);
    return { ...plain, ...packed, ...(counts(row) ? {} : { weights: new Float32Array(seqLen) }) };
  });
}

/** Documents of 1 to `longest` tokens, the last of which has no target; what is left at the end of every other sequence is padding. */
function documentsOf(seqLen: number, longest: number, hashed: (i: number) => number, row: number) {
  const positions = new Int32Array(seqLen);
  const documents = new Int32Array(seqLen);
  const weights = new Float32Array(seqLen);
  let start = 0;
  for (let document = 0; start < seqLen; document++) {
    // Where no token with a target sees two keys, scores have no gradient: all that is there is rounding.
    const wanted = document === 0 ? longest : 1 + (hashed(row * 1000 + document) % longest);
    const length = Math.min(seqLen - start, wanted);
    const isPadding = document > 0 && start + length === seqLen && row % 2 === 1;
    for (let i = 0; i < length; i++) {
      positions[start + i] = i;
      documents[start + i] = document;
      weights[start + i] = isPadding || i === length - 1 ? 0 : 1;
    }
    start += length;
  }
  return { positions, documents, weights };
}

/**
 * From one pair to `most`, each of two documents of at least three tokens, the last of which has no target; padding at the end.
 * `tokens` of a document are made to differ, and those of a pair's documents: else nothing but rounding may be left of a gradient.
 */
function pairsOf(tokens: Int32Array, most: number, vocab: number, hashed: (i: number) => number, row: number) {
  const seqLen = tokens.length - 1;
  const count = 1 + (hashed(row) % most);
  const positions = new Int32Array(seqLen);
  const documents = new Int32Array(seqLen).fill(2 * count);
  const weights = new Float32Array(seqLen);
  const longest = Math.floor(seqLen / (2 * count));
  let start = 0;
  for (let document = 0; document < 2 * count; document++) {
    const length = 3 + (hashed(row * 1000 + document) % (longest - 2));
    const prompt = hashed(row * 77 + document) % (length - 1);
    tokens[start] = document % vocab;
    if (tokens[start + 1] === tokens[start]) tokens[start + 1] = (tokens[start]! + 1) % vocab;
    for (let i = 0; i < length; i++) {
      positions[start + i] = i;
      documents[start + i] = document;
      weights[start + i] = i < prompt || i === length - 1 ? 0 : 1;
    }
    start += length;
  }
  for (let i = start; i < seqLen; i++) positions[i] = i - start;
  return { positions, documents, weights, pairs: Array.from({ length: count }, (_, k) => row * most + k) };
}

interface Ran {
  readonly results: readonly EqualityResult[];
  readonly tensors: WholeTensors;
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
  readonly fault?: FaultName;
}

async function run(
  settings: StepSettings,
  sequences: readonly Sequence[],
  optimizer: OptimizerSettings,
  pool: WorldPool,
  harder?: Harder,
): Promise<Ran> {
  const job: EqualityJob = {
    settings,
    optimizer,
    steps,
    sequences,
    ...(harder ? { heldUp: heldUp(talkOf(settings), harder) } : {}),
  };
  const results = await runEquality(job, pool);
  return { results, tensors: assemble(results) };
}

/** Memory of its own for ranks that are held up. */
export const heldUp = (talk: Talk, { limits, seed, every, fault }: Harder): HeldUp => ({
  shared: createThreadsWorld({ ...talk, limits, timeoutSeconds: 60 }),
  seed,
  every,
  ...(fault ? { fault } : {}),
});

export interface Difference {
  readonly what: string;
  readonly size: number;
}

/**
 * A key bias without rotation adds the same to all scores of a query: its gradient is zero, and all that is there is rounding.
 * It and its moments are measured against those of the query bias.
 */
const scaleOf = (name: string, wholes: ReadonlyMap<string, Float64Array>): number =>
  largest(wholes.get(name.replace(/bias#k$/, 'bias#q'))!);

/** How far every loss, norm, gradient, moment and weight is from those of one rank. */
function differences(many: Ran, one: Ran): Difference[] {
  const { losses, gradNorms, figures } = one.results[0]!;
  return [
    ...many.results.flatMap((mine, rank) =>
      losses.flatMap((loss, step) => [
        { what: `loss ${step + 1} on rank ${rank}`, size: difference([mine.losses[step]!], [loss]) },
        { what: `norm ${step + 1} on rank ${rank}`, size: difference([mine.gradNorms[step]!], [gradNorms[step]!]) },
      ]),
    ),
    ...(figures.length === 0
      ? []
      : many.results.map((mine, rank) => ({
          what: `figures on rank ${rank}`,
          size: difference(mine.figures, figures),
        }))),
    ...[...one.tensors].flatMap(([what, wholes]) => {
      const mine = many.tensors.get(what);
      const absent = [...wholes.keys()].filter((name) => !mine?.has(name));
      if (!mine || absent.length > 0 || mine.size !== wholes.size)
        throw new Error(`${mine?.size ?? 0} of ${wholes.size} ${what}s, without ${absent}`);
      return [...wholes].map(([name, whole]) => ({
        what: `${what} of ${name}`,
        size: difference(mine.get(name)!, whole, what === 'parameter' ? largest(whole) : scaleOf(name, wholes)),
      }));
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
    throw new Error(
      `${precision} ${nameOf(each)}${harder ? ` ${JSON.stringify(harder)}` : ''}\n${what} differs by ${size} of its size; ${allowed} is allowed`,
    );
}
