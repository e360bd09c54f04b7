// The programs of direct preference optimization on one rank: what stands between the head's features and their gradients when the loss
// is of pairs of completions and not of tokens.
//
//   logProbs   a block of h ─► log-probabilities of its targets
//   loss       log-probabilities of all tokens ─► of completions ─► the pairs' loss, and its gradient in every token's
//   gradient   a block of h, and the gradients of its targets' log-probabilities ─► dh, the weight's gradient: logits are made again
//
// A sequence's tokens may lie on several ranks of cp: sums of completions are then partial there until they are reduced.
import { allReduce } from '../ops/collectives.ts';
import { accumulate } from '../ops/elementwise.ts';
import { onFirst } from '../ops/finishing.ts';
import { grad } from '../ops/grad.ts';
import { sumByDocument } from '../ops/log-prob.ts';
import { preferenceFigures, preferenceLoss } from '../ops/preference.ts';
import type { Program, Trace, Value } from '../program/program.ts';
import { slice } from '../program/slice.ts';
import { at, finish, input, startTrace } from '../program/trace.ts';
import { dualTypes, type Types } from '../program/types.ts';
import { blockLogProbs } from './ends.ts';
import { sumTypes, type TokenBlock } from './head.ts';
import { paramSpecs } from './params.ts';
import { paramInputs, prefixed, residualTypes, sumInputs, type TraceSettings, tokensInput } from './parts.ts';

/** What makes a step one of preference optimization. */
export interface PreferenceSettings {
  /** How much a departure from the reference counts; above 0. */
  readonly beta: number;
  /** Pairs that a sequence has room for: documents 2k and 2k + 1 are the chosen and the rejected one of pair k. */
  readonly pairs: number;
}

/** The ranks of tp and cp all see whole completions. */
const pairTypes: Types = { tp: 'I', cp: 'I', dp: 'V0', ep: 'V0' };
const scalarTypes: Types = { tp: 'I', cp: 'I' };

function startLogProbs(settings: TraceSettings, { rows, length }: TokenBlock) {
  const { config, layout, coords } = settings;
  const trace = startTrace(layout, coords);
  const specs = paramSpecs(config, layout, { name: 'head', layer: 0 }).filter(({ key }) => key === 'head.weight');
  const params = paramInputs(trace, specs, layout);
  const h = input(trace, [rows, length, config.hiddenSize], { ...residualTypes(layout), tp: 'R' });
  const targets = tokensInput(trace, [rows, length]);
  const logProbs = at(trace, 'head', () => blockLogProbs(h, targets, params, config));
  return { trace, specs, params, h, logProbs, inputs: { h, targets, ...prefixed('param', params) } };
}

/** `h`, `targets`, `param:head.weight` -> `logProbs` [rows, length]. */
export function traceLogProbs(settings: TraceSettings, block: TokenBlock): Program {
  const { trace, inputs, logProbs } = startLogProbs(settings, block);
  return finish(trace, inputs, { logProbs });
}

/** With `dLogProbs` and `sum:head.weight` besides -> `dh`, `sum:head.weight`. */
export function traceLogProbsGradient(settings: TraceSettings, block: TokenBlock): Program {
  const { trace, inputs, specs, params, h, logProbs } = startLogProbs(settings, block);
  const dLogProbs = input(trace, logProbs.shape, dualTypes(logProbs.types));
  const sums = sumInputs(trace, specs, settings.layout);
  const wrt = [h, ...specs.map(({ key }) => params[key]!)];
  const into = [undefined, ...specs.map(({ key }) => sums[key])];
  const [dh, sum] = grad(trace, [{ value: logProbs, gradient: dLogProbs }], wrt, into);
  const outputs = { dh: dh!, ...prefixed('sum', { [specs[0]!.key]: sum! }) };
  const program = finish(trace, { ...inputs, dLogProbs, ...prefixed('sum', sums) }, outputs);
  return { ...program, nodes: slice(program.nodes, Object.values(outputs)) };
}

function startSums({ layout, coords, batch, seqLen }: TraceSettings, pairs: number) {
  const trace = startTrace(layout, coords);
  const documents = tokensInput(trace, [batch, seqLen]);
  const logProbs = input(trace, [batch, seqLen], { ...documents.types, tp: 'I' });
  const weights = input(trace, [batch, seqLen], { ...documents.types, tp: 'I' });
  const sums = at(trace, 'completions', () =>
    allReduce(sumByDocument(logProbs, documents, weights, { pairs }), 'cp', 'I'),
  );
  return { trace, logProbs, sums, inputs: { logProbs, documents, weights } };
}

/** `logProbs`, `documents`, `weights` [b, s] -> `sums` [b, pairs, 2], the log-probability of each completion. */
export function traceCompletions(settings: TraceSettings, { pairs }: PreferenceSettings): Program {
  const { trace, inputs, sums } = startSums(settings, pairs);
  return finish(trace, inputs, { sums });
}

/**
 * `logProbs`, `documents`, `weights` [b, s], `reference` [b, pairs, 2], `pairWeights` [b, pairs], `scale`, `lossSum`, `figures` ->
 * `lossSum`, `figures`; with `one` also `dLogProbs` [b, s].
 */
export function tracePreference(
  settings: TraceSettings,
  { pairs, beta }: PreferenceSettings,
  withGradient: boolean,
): Program {
  const { trace, inputs, logProbs, sums } = startSums(settings, pairs);
  const { batch } = settings;
  const reference = input(trace, [batch, pairs, 2], pairTypes);
  const pairWeights = input(trace, [batch, pairs], pairTypes);
  const scale = input(trace, [1], scalarTypes);
  const lossSum = input(trace, [1], sumTypes);
  const figures = input(trace, [preferenceFigures.length], sumTypes);
  return at(trace, 'preference', () => {
    const made = preferenceLoss({ sums, reference, weights: pairWeights, scale }, { beta });
    const given = { ...inputs, reference, pairWeights, scale, lossSum, figures };
    const outputs = {
      lossSum: accumulate(lossSum, onceOverCp(made.loss)),
      figures: accumulate(figures, onceOverCp(made.figures)),
    };
    if (!withGradient) return finish(trace, given, outputs);
    const one = input(trace, [1], dualTypes(made.loss.types));
    const [dLogProbs] = gradOf(trace, made.loss, one, logProbs);
    return finish(trace, { ...given, one }, { ...outputs, dLogProbs: dLogProbs! });
  });
}

const gradOf = (trace: Trace, value: Value, gradient: Value, wrt: Value) => grad(trace, [{ value, gradient }], [wrt]);

/** What all ranks of cp have alike counts on the first, as sums over replicas go over cp too. */
const onceOverCp = (x: Value): Value => onFirst(x, x.types.cp === 'I' ? ['cp'] : []);
