// How often the data are seen: arithmetic on counts, to be said before a run.

/** A source's training sequences in an epoch of its own, and its share of all sequences: see `Sequences.sources`. */
export interface SourceShare {
  readonly training: number;
  /** Above 0; they add up to 1. */
  readonly share: number;
}

/** Training sequences of all sources together: one epoch. Of a mix, some sources are seen more than once in it and some less. */
export const epochSequences = (sources: readonly SourceShare[]): number =>
  sources.reduce((sum, { training }) => sum + training, 0);

/** By source: how often each of its sequences has been trained on after `steps` steps of `globalBatch` sequences, on average. */
export const timesSeen = (sources: readonly SourceShare[], steps: number, globalBatch: number): number[] =>
  sources.map(({ training, share }) => (steps * globalBatch * share) / training);

/** The steps after which `epochs` epochs (a fraction too) are over: the last one may begin the next epoch. At least 1. */
export const stepsForEpochs = (sources: readonly SourceShare[], epochs: number, globalBatch: number): number =>
  Math.max(1, Math.ceil((epochSequences(sources) * epochs) / globalBatch));
