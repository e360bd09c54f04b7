// What the launcher tells a rank to generate, and what comes back: plain data that cross a thread or a network.
import type { StepSettings } from '../step/settings.ts';
import type { Sampling } from './sampling.ts';

export interface GenerateJob extends WritingJob {
  readonly weights: string;
  /** See `identityOf`: all ranks read the same checkpoint, or none. */
  readonly weightsIdentity: string;
}

/** What is written, whatever the weights are. */
export interface WritingJob {
  /** Of one window. */
  readonly settings: StepSettings;
  /** Bytes are tokens without one. */
  readonly tokenizerPath?: string;
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  readonly sampling: Sampling;
  readonly seed: number;
  readonly stop: readonly string[];
  readonly stopToken?: number;
}

/** Why a text ended: it has its full length, or a token or a string that ends it was written. */
export const endings = ['length', 'stopToken', 'stopString'] as const;
export type Ending = (typeof endings)[number];

export interface Generated {
  /** Without the prompt, up to the stop string. */
  readonly text: string;
  /** All that were generated, those of the stop string too; a stop token is not among them. */
  readonly tokens: readonly number[];
  readonly stopped: Ending;
  /** From the first forward pass to the last token. */
  readonly seconds: number;
}

/** A token and the text it completes; last, without a token, the text that was held back. */
export interface GenerateReport {
  readonly token?: number;
  readonly text: string;
}
