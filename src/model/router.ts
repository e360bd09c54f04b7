// What training adds to a mixture's router: losses that keep its experts in use, and what is told of every step.
//
//   told of a layer    [ load: slots of each expert .. | kept: those that it takes .. | auxLoss | zLoss ]
//                      kept where there is a capacity, the losses that count as means of the step
//
// Every statistic is of one sequence, whole: of no microbatch and of no rank's tokens, so that layouts have the same.
import type { TokenPlaces } from '../ops/attention.ts';
import { withinCapacity } from '../ops/capacity.ts';
import { chooseTokens } from '../ops/choose-tokens.ts';
import { allGather, allReduce, ownSlice } from '../ops/collectives.ts';
import type { Filled } from '../ops/grouped-loop.ts';
import { slotsOfAll, slotsOfSequences } from '../ops/load.ts';
import { type Routes, routes, slotWeights } from '../ops/route.ts';
import { balanceLoss, lossGradient, zLoss } from '../ops/router-loss.ts';
import type { Value } from '../program/program.ts';
import type { Types } from '../program/types.ts';
import { type Mixture, type ModelConfig, mixtureOf } from './config.ts';

/** What a run is told of routing besides its model. */
export interface RouterSettings {
  /** What the balance loss counts in what is minimised; 0: nothing. */
  readonly auxLoss: number;
  /** The same of the z-loss. */
  readonly zLoss: number;
  /** By how much every step moves the biases by which experts are chosen; above 0 for a model that has them alone. */
  readonly biasRate: number;
  /** An expert takes so many times its even share of a sequence's slots at most, rounded up; undefined: all. */
  readonly capacity?: number;
  /** Experts choose their tokens, each `capacity` times its even share (1 if there is none); undefined: tokens their experts. */
  readonly routing?: 'experts';
}

export const plainRouter: RouterSettings = { auxLoss: 0, zLoss: 0, biasRate: 0 };

/** With what statistics are taken over. */
export interface RouterContext extends RouterSettings {
  /** Tokens of a whole sequence. */
  readonly seqLen: number;
  /** Of a step, on all ranks. */
  readonly sequences: number;
  /** See StepSettings. */
  readonly room?: 'even';
}

export const routerLosses = ['auxLoss', 'zLoss'] as const;
export type RouterLoss = (typeof routerLosses)[number];
/** Those that count. */
export const lossesOf = (settings: RouterSettings) => routerLosses.filter((name) => settings[name] > 0);

/** The layers of a model that have a mixture. */
export const mixtureLayers = (config: ModelConfig): number[] =>
  config.mixture
    ? Array.from({ length: config.layers }, (_, layer) => layer).filter((layer) => mixtureOf(config, layer))
    : [];

/** Whether slots may be dropped: experts that choose take just what they may. */
export const drops = ({ capacity, routing }: RouterSettings): boolean =>
  capacity !== undefined && routing === undefined;

/** What is told of a layer, in order: by its name, how many numbers. */
export const toldParts = (
  { experts }: Mixture,
  settings: RouterSettings,
): (readonly [name: string, size: number])[] => [
  ['load', experts],
  ...(drops(settings) ? [['kept', experts] as const] : []),
  ...lossesOf(settings).map((name) => [name, 1] as const),
];

/** Sums of them on a rank: of its own tokens, which all ranks of tp have alike. */
export const toldTypes: Types = { tp: 'R', cp: 'P', ep: 'P', dp: 'P' };

/** By the names of {@link toldParts}: slots of each expert, and those that it takes [experts], doubles, and of losses that count the mean [1] over the step. */
export type Told = Readonly<Record<string, Value>>;

/**
 * Logits [b, s, experts] and where they send the tokens -> what is told of them. The balance loss of a layer is the mean over sequences
 * of experts · Σ f · P, where f is an expert's slots and P the sum of its shares, both over the sequence's tokens: what
 * `load_balancing_loss_func` of Hugging Face transformers gives for one sequence and one layer, and Fedus et al., "Switch transformers",
 * 2021, equation 4, for one expert a token. It is `perToken` where all experts are used alike (DeepSeek-V3's sequence-wise form divides
 * by that). Layers are added up. Every position of a sequence counts, padding too.
 */
export function judge(logits: Value, { experts, kept }: Sent, mixture: Mixture, context: RouterContext): Told {
  const { seqLen, sequences } = context;
  const losses: Readonly<Record<RouterLoss, () => Value>> = {
    auxLoss: () =>
      balanceLoss(logits, allReduce(slotsOfSequences(experts, mixture.experts), 'cp', 'R'), {
        scores: mixture.scores,
        by: mixture.experts / seqLen ** 2 / sequences,
      }),
    zLoss: () => zLoss(logits, 1 / seqLen / sequences),
  };
  return {
    load: slotsOfAll(experts, mixture.experts),
    ...(drops(context) ? { kept: slotsOfAll(kept, mixture.experts) } : {}),
    ...Object.fromEntries(lossesOf(context).map((name) => [name, losses[name]()])),
  };
}

/** Where tokens go. */
export interface Sent extends Routes {
  /** As `experts`, without the slots that are over an expert's capacity. */
  readonly kept: Value;
  /** How many slots of `kept` have an expert, where not all do: where experts choose, or of tokens that go to experts evenly. */
  readonly filled: Filled;
  /** Slots that an expert has of them, at most. */
  readonly most: number;
  /** See StepSettings. */
  readonly room?: 'even';
}

/**
 * Logits [b, s, experts] of this rank's tokens, and where those stand -> where they go. What must be seen whole of a sequence is gathered
 * over cp: integers that say where its tokens stand and where they go, or logits where experts choose.
 */
export function send(
  logits: Value,
  bias: Value | undefined,
  tokens: TokenPlaces,
  mixture: Mixture,
  router: RouterContext | undefined,
): Sent {
  const { perToken, scores, normalised, groups, experts: count } = mixture;
  const whole = (x: Value) => allGather(x, 'cp', 1);
  const own = (x: Value) => ownSlice(x, 'cp', 1);
  const [rows, length] = logits.shape as [number, number];
  /** Of this rank's tokens, where an expert takes so many of a sequence; a token has an expert at most once. */
  const atMost = (ofSequence: number) => rows * Math.min(length, ofSequence);
  /** Slots with an expert where each has so many of a sequence: over cp this many on average, and exactly all ranks together. */
  const slotsOf = (ofSequence: number, seqLen: number) => (rows * count * ofSequence * length) / seqLen;
  const places = () => ({ positions: whole(tokens.positions), documents: whole(tokens.documents) });
  const room = router?.room ? { room: router.room } : {};
  if (router?.routing === 'experts') {
    const most = Math.min(router.seqLen, capacityOf(mixture, router, 1));
    const experts = own(chooseTokens(whole(logits), places(), { scores, most }));
    const weights = slotWeights(logits, experts, { perToken: count, scores, normalised: false });
    const filled = slotsOf(most, router.seqLen);
    return { weights, experts, kept: experts, filled: { filled }, most: atMost(most), ...room };
  }
  const { weights, experts } = routes(logits, { perToken, scores, normalised, ...(groups ? { groups } : {}) }, bias);
  if (router?.capacity === undefined)
    return { weights, experts, kept: experts, filled: {}, most: atMost(length), ...room };
  const most = capacityOf(mixture, router, router.capacity);
  const kept = own(withinCapacity(whole(experts), places(), { experts: count, most }));
  // That much is kept of tokens that go to experts evenly.
  const fewer = most < (router.seqLen * perToken) / count ? { filled: slotsOf(most, router.seqLen) } : {};
  return { weights, experts, kept, filled: fewer, most: atMost(most), ...room };
}

/** Slots of a sequence that an expert takes. */
const capacityOf = ({ experts, perToken }: Mixture, { capacity, seqLen }: RouterContext, usual: number): number =>
  Math.ceil(((capacity ?? usual) * seqLen * perToken) / experts);

/** Gradients to start from besides that of the model's output; `near`: any value that is there when they do. */
export const lossSeeds = (told: Told, settings: RouterSettings, near: Value) =>
  lossesOf(settings).map((name) => {
    const value = told[name]!;
    return { value, gradient: lossGradient(value, settings[name], near) };
  });
