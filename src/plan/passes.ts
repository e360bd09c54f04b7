// Whether a step is short enough to plan, which is done instruction by instruction; with what to change if it is not.
import { fail, option } from '../errors.ts';
import { coordsOf, replicasOf } from '../mesh/mesh.ts';
import { divisors } from '../model/fit.ts';
import { tokenBlocks } from '../model/head.ts';
import { type StepSettings, sequencesPerStep, traceSettings } from '../step/settings.ts';
import { hasShares, replicaTimes } from './by-speed.ts';
import { replicaShares } from './replica-shares.ts';

/** Of a microbatch through a layer, an end or a block of the loss: this many are planned in seconds. */
const mostPasses = 2 ** 13;

function passes(settings: StepSettings): number {
  const blocks = tokenBlocks(traceSettings(settings, coordsOf(settings.layout, 0)), settings.lossBlock);
  return (settings.config.layers + 2 + blocks.length) * settings.microbatches;
}

export const isShort = (settings: StepSettings): boolean => passes(settings) <= mostPasses;

/** `hasRoom`: whether what is offered fits in memory; it is asked of few microbatches where more hold no more. @throws OPTION_INVALID */
export function checkPasses(settings: StepSettings, hasRoom: (offered: StepSettings) => boolean): void {
  if (isShort(settings)) return;
  const { config, microBatch, microbatches } = settings;
  const most = Math.floor((mostPasses * microbatches) / passes(settings));
  const refuse = (key: string, fix: string): never =>
    fail('OPTION_INVALID', {
      option: option(key),
      problem: `a step of ${microbatches} microbatches of ${config.layers} layers is longer than can be planned (${most} microbatches)`,
      fix,
    });
  if (most === 0) refuse('model', 'use a model of fewer layers');
  const batch = batchOf(settings);
  const larger = batch.sizes.find((size) => isShort(batch.inSizesOf(size)));
  if (larger !== undefined && hasRoom(asFewAsHoldAll(batch.inSizesOf(larger))))
    refuse('microBatch', `use ${option('microBatch')} ${larger}, or a smaller ${option('globalBatch')}`);
  refuse(
    'globalBatch',
    `use ${option('globalBatch')} ${microBatch * batch.countWithin(most)} and ${option('microBatch')} ${microBatch}`,
  );
}

/** As much is held at once of a step of so many microbatches; only gpipe holds all of them, and who knows of a schedule out of a file. */
function asFewAsHoldAll(settings: StepSettings): StepSettings {
  const { schedule, pp, virtual } = settings.layout;
  if (schedule !== '1f1b' && schedule !== 'zb-h1') return settings;
  const few = (microbatches: number): number => Math.min(microbatches, 2 * pp * virtual);
  const { microbatches, shares } = settings;
  return { ...settings, microbatches: few(microbatches), ...(shares ? { shares: shares.map(few) } : {}) };
}

/** The sequences of a step, as they could be divided. */
interface Batch {
  /** Of a microbatch, larger than it is. */
  readonly sizes: readonly number[];
  inSizesOf(size: number): StepSettings;
  /** Microbatches of all replicas, of which none has more than so many. */
  countWithin(most: number): number;
}

function batchOf(settings: StepSettings): Batch {
  const { layout, microBatch, microbatches } = settings;
  const all = sequencesPerStep(settings);
  const replicas = replicasOf(layout);
  if (!hasShares(settings))
    return {
      sizes: divisors(microbatches).map((times) => microBatch * times),
      inSizesOf: (size) => ({ ...settings, microBatch: size, microbatches: all / replicas / size }),
      countWithin: (most) => most * replicas,
    };
  const times = replicaTimes(settings);
  const dealt = (count: number) => {
    const shares = replicaShares(count, times);
    return { shares, microbatches: Math.max(...shares) };
  };
  return {
    sizes: divisors(all).filter((size) => size > microBatch && all / size >= replicas),
    inSizesOf: (size) => ({ ...settings, microBatch: size, ...dealt(all / size) }),
    countWithin(most) {
      let count = Math.max(replicas, Math.floor((all / microBatch / microbatches) * most));
      while (dealt(count).microbatches > most) count--;
      return count;
    },
  };
}
