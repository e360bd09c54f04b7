// How a run's work is divided between its ranks: alike, or by their speeds.
import { pairPositions } from '../data/pairs.ts';
import { option } from '../errors.ts';
import { printLayout } from '../mesh/layout.ts';
import { replicasOf, worldSize } from '../mesh/mesh.ts';
import { checkFit, divisors } from '../model/fit.ts';
import { replicaTimes, sharesProblem, stagesBySpeed, type Uneven } from '../plan/by-speed.ts';
import { checkPasses } from '../plan/passes.ts';
import { replicaShares } from '../plan/replica-shares.ts';
import type { StepSettings } from '../step/settings.ts';
import { defaultMicroBatch, mostSequences } from './micro-batch.ts';
import { refuse } from './refuse.ts';

/** What of a step's settings is decided here. */
export type Division = Pick<StepSettings, 'layout' | 'microBatch' | 'microbatches' | 'shares' | 'speeds'> & {
  /** What a person should know before the run starts. */
  readonly notes: readonly string[];
};

export type Whole = Omit<StepSettings, 'microBatch' | 'microbatches' | 'shares'> & {
  readonly globalBatch: number;
  /** Of the run, or of that gone on with, which may not fit. */
  readonly microBatch?: { readonly given?: number | undefined; readonly before?: number | undefined };
};

/** @throws an error of exit status 2 when the model or the batch does not divide */
export function divide(whole: Whole): Division {
  const { speeds, layout } = whole;
  if (!speeds) return divideAlike(whole);
  if (speeds.length !== worldSize(layout))
    refuse(
      'speeds',
      `${speeds.length} numbers for the ${worldSize(layout)} ranks of ${printLayout(layout)}`,
      'give one for each rank, or measure',
    );
  const fastest = Math.max(...speeds);
  return divideBySpeed(whole, { speeds: speeds.map((speed) => speed / fastest) });
}

/** As it was asked for: a sequence of pairs is as long as two. */
const askedLength = ({ seqLen, preference }: Whole): number => (preference ? seqLen / pairPositions(1) : seqLen);

function divideAlike(whole: Whole): Division {
  const { config, layout, globalBatch, microBatch: asked } = whole;
  const fits = (size: number) => (globalBatch / replicasOf(layout)) % size === 0;
  const before = asked?.before !== undefined && fits(asked.before) ? asked.before : undefined;
  const microBatch = asked?.given ?? before ?? defaultMicroBatch(globalBatch, layout);
  const microbatches = checkFit(config, layout, { seqLen: askedLength(whole), globalBatch, microBatch });
  return { layout, microBatch, microbatches, notes: [] };
}

function divideBySpeed(whole: Whole, { speeds }: Pick<Uneven, 'speeds'>): Division {
  const { seqLen, globalBatch, microBatch: _, ...rest } = whole;
  const { dp } = whole.layout;
  // Replicas need not have as much each.
  checkFit(whole.config, { ...whole.layout, dp: 1 }, { seqLen: askedLength(whole), globalBatch, microBatch: 1 });
  const settings: Uneven = { ...rest, seqLen, speeds, microBatch: 1, microbatches: 1 };
  checkPasses(settings, () => true);
  const layout = stagesBySpeed(settings);
  const stageNotes = layout === whole.layout ? [] : [`by speed, stages have ${layout.stages!.join(', ')} layers`];
  const times = dp === 1 ? [] : replicaTimes({ ...settings, layout });
  const problem = sharesProblem({ ...whole, layout });
  if (dp === 1 || problem !== undefined) {
    const notes = new Set(times).size > 1 ? [...stageNotes, problem!] : stageNotes;
    return { ...divideAlike({ ...whole, layout }), speeds, notes };
  }
  const { microBatch, shares } = sizesOf(whole)
    .map((size) => ({ microBatch: size, shares: replicaShares(globalBatch / size, times) }))
    .map((tried) => ({
      ...tried,
      longest: Math.max(...tried.shares.map((share, at) => share * tried.microBatch * times[at]!)),
    }))
    .reduce((best, tried) => (tried.longest <= best.longest ? tried : best));
  const batch = { layout, microBatch, microbatches: Math.max(...shares), speeds };
  if (shares.every((share) => share === shares[0])) return { ...batch, notes: stageNotes };
  return {
    ...batch,
    shares,
    notes: [...stageNotes, `by speed, replicas do ${shares.join(', ')} microbatches of a step`],
  };
}

/** The sizes that a microbatch may have, in ascending order: that of the run, or those that `defaultMicroBatch` chooses from. */
function sizesOf({ globalBatch, layout: { dp, pp }, microBatch: { given, before } = {} }: Whole): number[] {
  const possible = (size: number): boolean => globalBatch % size === 0 && globalBatch / size >= dp;
  if (given !== undefined && !possible(given)) refuseMicroBatch(given, globalBatch, dp);
  if (given !== undefined) return [given];
  if (before !== undefined && possible(before)) return [before];
  const most = mostSequences(globalBatch / dp, pp);
  const sizes = divisors(globalBatch).filter((size) => size <= most && possible(size));
  return sizes.length > 0 ? sizes : refuseMicroBatch(1, globalBatch, dp);
}

function refuseMicroBatch(size: number, globalBatch: number, replicas: number): never {
  const problem =
    globalBatch % size === 0
      ? `${globalBatch} sequences in microbatches of ${size} are fewer than the ${replicas} replicas`
      : `${size} does not divide the ${globalBatch} sequences of a step`;
  const usable = divisors(globalBatch).filter((each) => globalBatch / each >= replicas);
  return usable.length > 0
    ? refuse(
        'microBatch',
        problem,
        `use ${option('microBatch')} ${usable.findLast((each) => each < size) ?? usable[0]}`,
      )
    : refuse('globalBatch', problem, `use ${option('globalBatch')} ${size * replicas}${size === 1 ? ' or more' : ''}`);
}
