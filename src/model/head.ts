// The head: the final norm, and the loss over blocks of tokens, so that no matrix of all tokens by the whole vocabulary is held.
//
//   open    x ─► h, the norm of all tokens, gathered into the tensor-parallel region
//   loss    a block of h ─► its part of the loss, and at once the gradients of the block and of the weight: logits live no longer
//   close   dh (the blocks' gradients side by side) ─► dx, the norm's gradients
//
// In training all three run in the backward pass: the forward pass of the head only keeps x.
import { accumulate } from '../ops/elementwise.ts';
import { grad } from '../ops/grad.ts';
import type { Program, Trace, Value } from '../program/program.ts';
import { slice } from '../program/slice.ts';
import { at, finish, input, startTrace } from '../program/trace.ts';
import { dualTypes, type Types } from '../program/types.ts';
import { blockLoss, wholeLogits } from './ends.ts';
import { norm } from './norm.ts';
import { enterParallel } from './parallel.ts';
import { type ParamSpec, paramSpecs } from './params.ts';
import {
  byId,
  paramInputs,
  prefixed,
  residualShape,
  residualTypes,
  savedFor,
  sumInputs,
  type TraceSettings,
  tokensInput,
} from './parts.ts';

export interface HeadPrograms {
  /** `x`, `param:<key>` -> `h`, `saved:<id>`. */
  readonly open: Program;
  /** `dh`, `saved:<id>`, `param:<key>`, `sum:<key>` -> `dx`, `sum:<key>`. */
  readonly close: Program;
}

/** The scalars of the loss: all ranks of tp do the same with them, replicas have parts of the sum. */
export const sumTypes: Types = { tp: 'I', dp: 'P', ep: 'P', cp: 'P' };
const scalarTypes: Types = { tp: 'I' };

const isNorm = ({ key }: ParamSpec): boolean => key !== 'head.weight';

const headSpecs = ({ config, layout }: TraceSettings): readonly ParamSpec[] =>
  paramSpecs(config, layout, { name: 'head', layer: 0 });

export function traceHead(settings: TraceSettings): HeadPrograms {
  const { config, layout, coords } = settings;
  const trace = startTrace(layout, coords);
  const specs = headSpecs(settings).filter(isNorm);
  const params = paramInputs(trace, specs, layout);
  const x = input(trace, residualShape(settings), residualTypes(layout));
  const h = at(trace, 'head', () => enterParallel(norm(x, 'norm', params, config), layout));
  const open = finish(trace, { x, ...prefixed('param', params) }, { h });

  const dh = input(trace, h.shape, dualTypes(h.types));
  const sums = sumInputs(trace, specs, layout);
  const [dx, ...newSums] = grad(
    trace,
    [{ value: h, gradient: dh }],
    [x, ...specs.map(({ key }) => params[key]!)],
    [undefined, ...specs.map(({ key }) => sums[key])],
  );
  const outputs = { dx: dx!, ...prefixed('sum', Object.fromEntries(specs.map(({ key }, i) => [key, newSums[i]!]))) };
  const nodes = slice(trace.nodes.slice(open.nodes.length), Object.values(outputs));
  const saved = byId('saved', savedFor(open, nodes, Object.values(params)));
  return {
    open: { ...open, outputs: { h, ...saved } },
    close: { inputs: { dh, ...saved, ...prefixed('param', params), ...prefixed('sum', sums) }, nodes, outputs },
  };
}

/** `rows` sequences by `length` tokens. */
export interface TokenBlock {
  readonly rows: number;
  readonly length: number;
}

interface LossInputs {
  readonly trace: Trace;
  readonly h: Value;
  readonly specs: readonly ParamSpec[];
  readonly inputs: Program['inputs'];
  readonly lossSum: Value;
  readonly loss: Value;
}

function startLoss(settings: TraceSettings, { rows, length }: TokenBlock): LossInputs {
  const { config, layout, coords } = settings;
  const trace = startTrace(layout, coords);
  const specs = headSpecs(settings).filter((spec) => !isNorm(spec));
  const params = paramInputs(trace, specs, layout);
  const h = input(trace, [rows, length, config.hiddenSize], { ...residualTypes(layout), tp: 'R' });
  const targets = tokensInput(trace, [rows, length]);
  const weights = input(trace, [rows, length], { ...targets.types, tp: 'I' });
  const scale = input(trace, [1], scalarTypes);
  const lossSum = input(trace, [1], sumTypes);
  const loss = at(trace, 'head', () => blockLoss(h, { targets, weights, scale }, params, config));
  return {
    trace,
    h,
    specs,
    inputs: { h, targets, weights, scale, lossSum, ...prefixed('param', params) },
    lossSum,
    loss,
  };
}

/** `h`, `targets`, `weights`, `scale`, `lossSum`, `param:head.weight` -> `lossSum`. */
export function traceLoss(settings: TraceSettings, block: TokenBlock): Program {
  const { trace, inputs, lossSum, loss } = startLoss(settings, block);
  return finish(trace, inputs, { lossSum: accumulate(lossSum, loss) });
}

/** With `one` and `sum:head.weight` besides -> `lossSum`, `dh`, `sum:head.weight`. */
export function traceLossAndGradient(settings: TraceSettings, block: TokenBlock): Program {
  const { trace, h, specs, inputs, lossSum, loss } = startLoss(settings, block);
  const one = input(trace, [1], dualTypes(loss.types));
  const sums = sumInputs(trace, specs, settings.layout);
  const seeds = [{ value: loss, gradient: one }];
  const [dh, sum] = grad(
    trace,
    seeds,
    [h, ...specs.map(({ key }) => inputs[`param:${key}`]!)],
    [undefined, ...specs.map(({ key }) => sums[key])],
  );
  return finish(
    trace,
    { ...inputs, one, ...prefixed('sum', sums) },
    { lossSum: accumulate(lossSum, loss), dh: dh!, ...prefixed('sum', { [specs[0]!.key]: sum! }) },
  );
}

/** The head that ends in logits instead of a loss: `h`, `param:head.weight` -> `logits` [b, s, padded vocabulary]. */
export function traceLogits(settings: TraceSettings): Program {
  const { config, layout, coords, batch, seqLen } = settings;
  const trace = startTrace(layout, coords);
  const params = paramInputs(
    trace,
    headSpecs(settings).filter((spec) => !isNorm(spec)),
    layout,
  );
  const h = input(trace, [batch, seqLen, config.hiddenSize], { ...residualTypes(layout), tp: 'R' });
  const logits = at(trace, 'head', () => wholeLogits(h, params));
  return finish(trace, { h, ...prefixed('param', params) }, { logits });
}

/** Logits of a block: as many as stay near a core, and no product of fewer rows than keep it busy. */
const blockElements = 2 ** 22;
const fewestTokens = 64;
/** Of a microbatch, but for what rounding to whole sequences adds: blocks are planned one by one. */
const mostBlocks = 1024;

/** A microbatch's tokens in blocks of contiguous ones: whole sequences, or parts of one. `given`: tokens of a block, in tests. */
export function tokenBlocks(
  { config, layout, batch, seqLen }: TraceSettings,
  given?: number,
): (TokenBlock & { readonly first: number })[] {
  const nearCore = Math.floor(blockElements / Math.ceil(config.vocabSize / layout.tp));
  const most = given ?? Math.max(fewestTokens, nearCore, Math.ceil((batch * seqLen) / mostBlocks));
  const even = (total: number, size: number): number[] => {
    const count = Math.ceil(total / size);
    return Array.from(
      { length: count },
      (_, i) => Math.floor(((i + 1) * total) / count) - Math.floor((i * total) / count),
    );
  };
  const shapes =
    most >= seqLen
      ? even(batch, Math.floor(most / seqLen)).map((rows) => ({ rows, length: seqLen }))
      : Array.from({ length: batch }, () => even(seqLen, most).map((length) => ({ rows: 1, length }))).flat();
  let first = 0;
  return shapes.map((block) => {
    const placed = { ...block, first };
    first += block.rows * block.length;
    return placed;
  });
}
