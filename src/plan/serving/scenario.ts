// What is asked about serving — a model, devices, how it lies on them, and the load — and what is answered.
import type { ModelConfig } from '../../model/config.ts';
import type { Cluster } from '../hardware/cluster.ts';
import type { NumberFormat } from '../hardware/number-format.ts';
import type { EngineName } from './engines.ts';

/** How one instance lies over its tp · cp · dp · pp devices. */
export interface ServingLayout {
  /** Ranks that split every layer's heads and columns. */
  readonly tp: number;
  /** Stages of layers. */
  readonly pp: number;
  /** Attention data parallelism: ranks (groups of tp · cp) that have requests of their own; experts are shared by all of them. */
  readonly dp: number;
  /** Ranks that split a prompt's tokens, and the cache of its context. */
  readonly cp: number;
  /** Ranks of a stage that share whole experts out; each expert is split over the other tp · cp · dp / ep. */
  readonly ep: number;
}

/** Formats by role. Products are taken in that of their weights, where the device has such products. */
export interface ServingFormats {
  /** Of matrices that every token has. */
  readonly weights: NumberFormat;
  /** Of experts'; undefined: of weights. */
  readonly experts?: NumberFormat;
  /** Of attention's matrices where they are wider than the others'; undefined: of weights. */
  readonly attentionWeights?: NumberFormat;
  /** Of keys and values kept. */
  readonly cache: NumberFormat;
  readonly activations: NumberFormat;
}

/** Alike instances of one layout. */
export interface Pool {
  readonly layout: ServingLayout;
  readonly instances: number;
}

export type Deployment =
  | { readonly kind: 'aggregated'; readonly pool: Pool }
  /** Prompts are read by instances of their own, which hand keys and values to those that write. */
  | { readonly kind: 'disaggregated'; readonly prefill: Pool; readonly decode: Pool };

/** Tokens of a request: uniform between `shortest` (a share, 1 unless given) of these and these. */
export interface RequestLengths {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly shortest?: number;
}

export type ServingLoad =
  /** So many requests under way at any time over the whole deployment: the next is sent when one ends. */
  | { readonly kind: 'closed'; readonly concurrency: number }
  /** All at once, as many as are useful: offline throughput. */
  | { readonly kind: 'saturated' }
  /** A Poisson process. */
  | { readonly kind: 'poisson'; readonly requestsPerSecond: number; readonly requests: number; readonly seed: number }
  /** Arrivals that were recorded: seconds, not falling; lengths in place of the scenario's where given. */
  | {
      readonly kind: 'recorded';
      readonly arrivals: readonly {
        readonly seconds: number;
        readonly inputTokens?: number;
        readonly outputTokens?: number;
      }[];
    };

/** A draft of so many tokens an iteration, of which each is right with this probability if those before it are. */
export interface Speculation {
  readonly draftTokens: number;
  readonly acceptance: number;
  /** Seconds of drafting, as a share of an iteration without it; undefined: of one layer for every drafted token. */
  readonly draftShare?: number;
}

export interface ServingScenario {
  readonly model: ModelConfig;
  readonly cluster: Cluster;
  readonly engine: EngineName;
  readonly formats: ServingFormats;
  readonly deployment: Deployment;
  readonly lengths: RequestLengths;
  readonly load: ServingLoad;
  readonly speculation?: Speculation;
  /** Targets that goodput counts: requests that keep both. */
  readonly targets?: { readonly secondsToFirstToken: number; readonly secondsPerOutputToken: number };
}

/** Of all requests; percentiles where they were played one by one. */
export interface LatencyFigures {
  readonly mean: number;
  readonly p50?: number;
  readonly p90?: number;
  readonly p99?: number;
}

/** Where the seconds of an iteration go. */
export interface IterationSeconds {
  /** Matrix products, of which those of experts. */
  readonly products: number;
  readonly experts: number;
  readonly attention: number;
  /** Norms, activations, routing: bound by memory or by launches. */
  readonly other: number;
  readonly collectives: number;
  /** The engine's own: scheduling, sampling, launches. */
  readonly overhead: number;
  readonly total: number;
}

/** Bytes of a device, of the stage that holds most. */
export interface ServingMemory {
  readonly weights: number;
  /** Activations, collectives' and graphs' buffers, the context of the device. */
  readonly buffers: number;
  /** For keys and values. */
  readonly cache: number;
  /** Tokens that the cache of an instance holds, all its devices together. */
  readonly cacheTokens: number;
}

export interface ServingPrediction {
  /** False: the weights leave no room for one request; nothing else is then to be believed. */
  readonly fits: boolean;
  /** What is short, and by how much, where it does not fit. */
  readonly problem?: string;
  readonly devices: number;
  readonly secondsToFirstToken: LatencyFigures;
  readonly secondsPerOutputToken: LatencyFigures;
  /** From arrival to the last token. */
  readonly secondsOfRequest: LatencyFigures;
  readonly requestsPerSecond: number;
  readonly outputTokensPerSecond: number;
  readonly outputTokensPerSecondPerDevice: number;
  /** Requests a second that kept the targets, where there are some. */
  readonly goodRequestsPerSecond?: number;
  /** Requests being written at once, of one instance (of decode, where pools are apart), on average. */
  readonly running: number;
  /** An iteration of so many, with no prompt in it. */
  readonly decodeIteration: IterationSeconds;
  /** Of the pool that writes. */
  readonly memory: ServingMemory;
  /** What limits it: the reading of weights, the work of products, the state that requests keep, talk, or the engine's own time. */
  readonly bottleneck: 'weights' | 'work' | 'state' | 'talk' | 'overhead' | 'capacity';
}
