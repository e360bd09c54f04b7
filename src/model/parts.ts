// Traces the programs of a part of the model for one rank: forward, and backward with what it needs saved.
import type { Layout } from '../mesh/layout.ts';
import type { Coords } from '../mesh/mesh.ts';
import { accumulate } from '../ops/elementwise.ts';
import { grad } from '../ops/grad.ts';
import type { Program, Shape, Trace, Value } from '../program/program.ts';
import { slice } from '../program/slice.ts';
import { at, finish, input, startTrace } from '../program/trace.ts';
import { dualTypes, type Types } from '../program/types.ts';
import { block, type Params } from './block.ts';
import type { ModelConfig } from './config.ts';
import { embed, loss, wholeLogits } from './ends.ts';
import { type ParamSpec, type PartName, paramSpecs, paramTypes, shardShape } from './params.ts';

/** What a rank's programs depend on. */
export interface TraceSettings {
  readonly config: ModelConfig;
  readonly layout: Layout;
  readonly coords: Coords;
  /** Sequences of a microbatch on this rank. */
  readonly batch: number;
  readonly seqLen: number;
  /** 1 / tokens of the whole step: losses and gradients add up to their means. */
  readonly lossScale: number;
  /** See StepSettings. */
  readonly attentionBlock?: number;
}

/**
 * Inputs and outputs by name. Forward: `x` (or `ids`), `targets`, `param:<key>`, `lossSum` -> `y` or `lossSum`.
 * Backward: `dy` (for the head `one`), what was saved, `param:<key>`, `sum:<key>` -> `dx`, `sum:<key>`.
 */
export interface PartPrograms {
  readonly forward: Program;
  readonly backward: Program;
  /** Values of the forward program that the backward one reads, parameters aside: `saved:<id>` in both. */
  readonly saved: readonly Value[];
}

const tokenTypes: Types = { dp: 'V0', ep: 'V0', cp: 'V1' };
export const residualTypes = (layout: Layout): Types => ({ ...tokenTypes, tp: layout.sp ? 'V1' : 'I' });

/** The residual stream of a microbatch on this rank. */
export const residualShape = ({ config, layout, batch, seqLen }: TraceSettings): Shape => [
  batch,
  layout.sp ? seqLen / layout.tp : seqLen,
  config.hiddenSize,
];

const prefixed = (prefix: string, values: Readonly<Record<string, Value>>) =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`${prefix}:${key}`, value]));

interface Inputs {
  readonly trace: Trace;
  readonly specs: readonly ParamSpec[];
  readonly params: Params;
  /** ids or the residual stream. */
  readonly x: Value;
  readonly targets?: Value;
}

function startPart(name: PartName, settings: TraceSettings): Inputs {
  const { config, layout, coords, batch, seqLen } = settings;
  const trace = startTrace(layout, coords);
  // Layers are alike: layer 0's specs stand for every layer's shapes and types.
  const specs = paramSpecs(config, layout, { name, layer: 0 });
  const params = Object.fromEntries(
    specs.map((spec) => [spec.key, input(trace, shardShape(spec, layout), paramTypes(spec))]),
  );
  const tokens = () => input(trace, [batch, seqLen], tokenTypes, 'int');
  const x = name === 'embedding' ? tokens() : input(trace, residualShape(settings), residualTypes(layout));
  return { trace, specs, params, x, ...(name === 'head' ? { targets: tokens() } : {}) };
}

export function tracePart(name: PartName, settings: TraceSettings): PartPrograms {
  const { config, layout } = settings;
  const { trace, specs, params, x, targets } = startPart(name, settings);
  const write = (): Value => {
    if (name === 'embedding') return embed(x, params, config, layout);
    if (name === 'block') return block(x, params, config, layout, settings.attentionBlock);
    return loss(x, targets!, params, config, layout, settings.lossScale);
  };
  const y = at(trace, name === 'block' ? '' : name, write);
  const lossSum = name === 'head' ? input(trace, [1], y.types) : undefined;
  const forwardInputs = {
    ...(name === 'embedding' ? { ids: x } : { x }),
    ...(targets ? { targets } : {}),
    ...(lossSum ? { lossSum } : {}),
    ...prefixed('param', params),
  };
  const result: Record<string, Value> = lossSum ? { lossSum: accumulate(lossSum, y) } : { y };
  const forwardNodes = [...trace.nodes];

  const seed = input(trace, y.shape, dualTypes(y.types));
  const sums = Object.fromEntries(
    specs.map((spec) => [spec.key, input(trace, shardShape(spec, layout), dualTypes(paramTypes(spec)))]),
  );
  const wrt = [...(name === 'embedding' ? [] : [x]), ...specs.map((spec) => params[spec.key]!)];
  const accumulators = [...(name === 'embedding' ? [] : [undefined]), ...specs.map((spec) => sums[spec.key])];
  const gradients = grad(trace, [{ value: y, gradient: seed }], wrt, accumulators);
  const dx = name === 'embedding' ? undefined : gradients[0]!;
  const newSums = Object.fromEntries(specs.map((spec, index) => [spec.key, gradients[index + (dx ? 1 : 0)]!]));
  const nodes = slice(trace.nodes.slice(forwardNodes.length), [...(dx ? [dx] : []), ...Object.values(newSums)]);

  const parameterIds = new Set(Object.values(params).map((param) => param.id));
  const forwardValues = new Set(
    [...Object.values(forwardInputs), ...forwardNodes.flatMap((node) => node.outputs)].map((value) => value.id),
  );
  const saved = [...new Map(nodes.flatMap((node) => node.inputs.map((value) => [value.id, value]))).values()].filter(
    (value) => forwardValues.has(value.id) && !parameterIds.has(value.id),
  );
  const savedByName = Object.fromEntries(saved.map((value) => [`saved:${value.id}`, value]));
  const forward: Program = { inputs: forwardInputs, nodes: forwardNodes, outputs: { ...result, ...savedByName } };
  const backward: Program = {
    inputs: {
      [name === 'head' ? 'one' : 'dy']: seed,
      ...savedByName,
      ...prefixed('param', params),
      ...prefixed('sum', sums),
    },
    nodes,
    outputs: { ...(dx ? { dx } : {}), ...prefixed('sum', newSums) },
  };
  return { forward, backward, saved };
}

/** The head that ends in logits instead of a loss: `x`, `param:<key>` -> `logits` [b, s, padded vocabulary]. */
export function traceLogits(settings: TraceSettings): Program {
  const { trace, params, x } = startPart('head', settings);
  const logits = at(trace, 'head', () => wholeLogits(x, params, settings.config, settings.layout));
  return finish(trace, { x, ...prefixed('param', params) }, { logits });
}
