// What the launcher tells a rank to generate, and what comes back: plain data that cross a thread or a network.
import type { WindowSettings } from '../step/forward-step.ts';

export interface GenerateJob {
  readonly settings: WindowSettings;
  readonly weights: string;
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  readonly temperature: number;
  readonly seed: number;
  readonly stopToken?: number;
}

export interface Generated {
  readonly tokens: readonly number[];
  /** From the first forward pass to the last token. */
  readonly seconds: number;
}
