// Builds a forward pass for one rank: token ids in, and out the logits of every position, or the loss.
import { coordsOf } from '../mesh/mesh.ts';
import { stageParts } from '../model/stages.ts';
import { forwardScheduleOf } from '../schedule/schedules.ts';
import { stateOf } from '../state/vectors.ts';
import { holdState } from './held.ts';
import { runParts } from './part-runs.ts';
import { type End, playPipeline } from './pipeline.ts';
import { startProgram } from './program-builder.ts';
import { type StepSettings, traceSettings } from './settings.ts';
import type { RankProgram, TokenBuffers } from './step.ts';
import { lossBuffers, lossOperands, type Means, tokenBuffers } from './token-buffers.ts';

export interface LogitsStep extends RankProgram {
  readonly tokens: readonly TokenBuffers[];
  /** By microbatch: [b, s, padded vocabulary], where the head is, on every tp rank. */
  readonly logits: readonly number[];
}

export interface LossStep extends RankProgram {
  readonly tokens: readonly TokenBuffers[];
  /** Every run adds the weighted sum of its tokens' losses [1], or of its pairs' losses and figures: where the head is, on every tp rank. */
  readonly loss?: number;
  /** What losses are multiplied by: a one, filled once. */
  readonly one?: number;
}

export interface CompletionsStep extends RankProgram {
  readonly tokens: readonly TokenBuffers[];
  /** By microbatch: log-probabilities of the completions of every pair [b, pairs, 2], where the head is, on every tp rank. */
  readonly completions: readonly number[];
}

/** Logits of windows of tokens, a microbatch each. */
export function buildLogitsStep(settings: StepSettings, rank: number): LogitsStep {
  const logits: number[] = [];
  const { builder, tokens, play } = startForward(settings, rank, () => ({
    of: 'logits',
    done: (microbatch, buffer) => {
      logits[microbatch] = buffer;
    },
  }));
  play();
  logits.forEach(builder.keep);
  return { ...builder.finish(), tokens, logits };
}

/** The loss of a batch. */
export function buildLossStep(settings: StepSettings, rank: number): LossStep {
  const own: { loss?: Means; one?: number } = {};
  const { builder, tokens, play, hasHead } = startForward(settings, rank, (buffers) => ({
    of: 'loss',
    loss(microbatch) {
      return { ...lossOperands(buffers[microbatch]!, own.loss!), scale: own.one! };
    },
  }));
  if (hasHead) Object.assign(own, { loss: lossBuffers(builder, settings), one: builder.own('one', [1]) });
  play();
  const { loss, one } = own;
  return { ...builder.finish(), tokens, ...(loss && one !== undefined ? { loss: loss.loss, one } : {}) };
}

/** How likely the completions of every pair are, a microbatch each. */
export function buildCompletionsStep(settings: StepSettings, rank: number): CompletionsStep {
  const completions: number[] = [];
  const { builder, tokens, play } = startForward(settings, rank, (buffers) => ({
    of: 'completions',
    tokens(microbatch) {
      const { targets, weights, documents } = buffers[microbatch]!;
      return { targets: targets!, weights: weights!, documents };
    },
    done: (microbatch, buffer) => {
      completions[microbatch] = buffer;
    },
  }));
  play();
  completions.forEach(builder.keep);
  return { ...builder.finish(), tokens, completions };
}

function startForward(settings: StepSettings, rank: number, endOf: (tokens: readonly TokenBuffers[]) => End) {
  const { config, layout, microbatches, precision, lossBlock, preference } = settings;
  const coords = coordsOf(layout, rank);
  const state = stateOf(config, layout, coords, ['parameter']);
  const builder = startProgram(layout, rank, precision, state);
  const trace = traceSettings(settings, coords);
  const parts = stageParts(config, layout, coords.pp);
  const tokens: TokenBuffers[] = [];
  const end = endOf(tokens);
  tokens.push(...tokenBuffers(builder, parts, settings, coords, end.of === 'training' ? 'loss' : end.of));
  const held = holdState({ config, layout, builder, state, coords });
  const play = playPipeline({
    builder,
    runs: runParts({ builder, held, trace, lossBlock, preference }),
    trace,
    mesh: layout,
    rank,
    tokens: (microbatch) => tokens[microbatch]!,
    end,
  });
  return {
    builder,
    tokens,
    hasHead: parts.some(({ name }) => name === 'head'),
    play: () => forwardScheduleOf(layout, microbatches).stages[coords.pp]!.forEach(play),
  };
}
