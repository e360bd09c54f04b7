// A run when its settings have their values, and when it is laid out over ranks.
import type { ModelSource } from '../checkpoint/model-source.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import type { Layout } from '../mesh/layout.ts';
import type { AskedStep } from './choose-layout.ts';
import type { RunManifest } from './manifest.ts';
import type { RunSettings, TrainSettings } from './settings.ts';

/** Decided by the number of steps, which `epochs` leaves open until the data are known: see decide-steps.ts. */
type ByStep = 'steps' | 'warmupSteps' | 'decaySteps';
/** Decided when the run is laid out. */
type ByLayout = 'layout' | 'speeds' | 'microBatch';

export interface Settled {
  readonly given: TrainSettings;
  /** The run gone on with. */
  readonly before?: RunManifest;
  readonly model: ModelSource;
  /** The weights to start from, and what they were when the run was settled: see `identityOf`. */
  readonly weights?: { readonly path: string; readonly identity: string };
  readonly tokenizer: Tokenizer;
  readonly run: Omit<RunSettings, ByStep | ByLayout>;
  readonly asked: AskedLayout;
}

export interface AskedLayout {
  readonly layout: Layout | 'auto';
  readonly speeds?: RunSettings['speeds'];
  /** What a person should know of these. */
  readonly notes: readonly string[];
  readonly step: AskedStep;
  /** Of the run gone on with. */
  readonly microBatchBefore?: number | undefined;
}

export interface LaidOut extends Omit<Settled, 'run' | 'asked'> {
  /** With its stages as long as they are. */
  readonly layout: Layout;
  /** Why it was chosen, where nobody said which. */
  readonly because?: string;
  readonly microbatches: number;
  /** See StepSettings. */
  readonly shares?: readonly number[];
  readonly speeds?: readonly number[];
  /** What a person should know before the run starts. */
  readonly notes: readonly string[];
  readonly run: Omit<RunSettings, ByStep>;
}
