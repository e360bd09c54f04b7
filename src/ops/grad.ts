// Reverse mode: appends to a trace the ops that compute gradients, from the ops' own vjps.
import { fail } from '../errors.ts';
import type { Trace, Value } from '../program/program.ts';
import { dual, sameTypes, type TypedAxis, typedAxes } from '../program/types.ts';
import type { OnAxes } from './collectives.ts';
import { accumulate, add } from './elementwise.ts';
import { enterLocal, localOps } from './local.ts';
import { sameShape } from './shapes.ts';

/** What gradients start from: a value and its gradient. */
export interface Seed {
  readonly value: Value;
  readonly gradient: Value;
}

/**
 * Gradients of `wrt`, in order; undefined where nothing depends on it. With an accumulator (same index) the gradient is added
 * to it in place, by the op that makes the gradient where that op can (`accumulates`).
 * A gradient's type is the dual of its value's on every axis; TYPE_MISMATCH otherwise. NO_GRADIENT where an op has no vjp, or its
 * vjp does not take the gradient of a result that has one.
 */
export function grad(
  trace: Trace,
  seeds: readonly Seed[],
  wrt: readonly Value[],
  accumulators: readonly (Value | undefined)[] = [],
): (Value | undefined)[] {
  const forward = [...trace.nodes];
  const { site } = trace;
  const contributions = new Map<number, Contribution[]>();
  const contribute = (value: Value, gradient: Value | undefined, from: Origin): void => {
    if (gradient === undefined) return;
    expectDual(value, gradient, from);
    const known = contributions.get(value.id);
    const own = { gradient, site: from.site };
    if (known) known.push(own);
    else contributions.set(value.id, [own]);
  };
  const total = (value: Value): Value | undefined => {
    const parts = contributions.get(value.id);
    if (!parts) return undefined;
    const { site } = trace;
    const sum = parts.reduce((a, b) => {
      // What one place of the model uses twice is summed up there.
      trace.site = a.site === b.site ? a.site : site;
      return { gradient: add(a.gradient, b.gradient), site: trace.site };
    });
    trace.site = site;
    contributions.set(value.id, [sum]);
    return sum.gradient;
  };

  for (const { value, gradient } of seeds) contribute(value, gradient, { op: 'grad', site, of: 'a seed value' });
  for (const node of forward.toReversed()) {
    trace.site = node.site;
    const gradients = node.outputs.map(total);
    if (gradients.every((gradient) => gradient === undefined)) continue;
    if (!node.op.vjp) return fail('NO_GRADIENT', { op: node.op.name, site: node.site });
    const { differentiable = [0] } = node.op;
    const dropped = gradients.findIndex((gradient, index) => gradient && !differentiable.includes(index));
    if (dropped >= 0) return fail('NO_GRADIENT', { op: node.op.name, site: node.site, result: dropped });
    const results = node.op.vjp({ node, gradients });
    for (const [index, input] of node.inputs.entries())
      if (input.dtype !== 'int')
        contribute(input, results[index], { op: node.op.name, site: node.site, of: `operand ${index}` });
  }
  trace.site = site;
  const totals = wrt.map(total);
  return totals.map((gradient, index) => {
    const accumulator = accumulators[index];
    if (!gradient || !accumulator) return gradient ?? accumulator;
    // Two parameters may have one gradient between them (a sum's operands): adding in place would then change both.
    const shared = totals.filter((other) => other === gradient).length > 1;
    return shared ? accumulate(accumulator, gradient) : addInto(trace, accumulator, gradient);
  });
}

/** accumulator + gradient: by the gradient's own op when it can and nothing else reads the gradient, else by one more. */
function addInto(trace: Trace, accumulator: Value, gradient: Value): Value {
  const fits = sameTypes(accumulator.types, gradient.types) && sameShape(accumulator.shape, gradient.shape);
  const read = (value: Value) => trace.nodes.filter(({ inputs }) => inputs.includes(value)).length;
  const maker = (value: Value) => trace.nodes.findIndex(({ outputs }) => outputs[0] === value);
  let index = maker(gradient);
  // A gradient that leaves local regions is added up inside of them.
  const axes: TypedAxis[] = [];
  for (let node = trace.nodes[index]; node?.op.name === localOps.leaveLocalOp.name; node = trace.nodes[index]) {
    const [inside] = node.inputs as [Value];
    if (read(inside) > 1) break;
    axes.push(...(node.attrs as OnAxes).axes);
    index = maker(inside);
  }
  const node = trace.nodes[index];
  if (node?.op.accumulates === undefined || !fits || read(gradient) > 0) return accumulate(accumulator, gradient);
  const sum = axes.reduce((value, axis) => enterLocal(value, axis), accumulator);
  const entering = trace.nodes.splice(trace.nodes.length - axes.length);
  trace.nodes.splice(index, 1, ...entering, { ...node, inputs: [...node.inputs, sum] });
  return gradient;
}

/** A gradient, and where in the model its value was used. */
interface Contribution {
  readonly gradient: Value;
  readonly site: string;
}

/** Whose vjp made a gradient, and for what. */
interface Origin {
  readonly op: string;
  readonly site: string;
  readonly of: string;
}

function expectDual(value: Value, gradient: Value, { op, site, of }: Origin): void {
  if (!sameShape(value.shape, gradient.shape))
    fail('SHAPE_MISMATCH', {
      op,
      site,
      problem: `${of} is [${value.shape}] but its gradient is [${gradient.shape}]; the two must be equal`,
    });
  for (const axis of typedAxes) {
    const type = value.types[axis];
    if (type !== undefined && gradient.types[axis] !== dual(type))
      fail('TYPE_MISMATCH', {
        op,
        site,
        axis,
        problem: `${of} is ${type}, so its gradient must be ${dual(type)} but is ${gradient.types[axis]}`,
        fix:
          op === 'grad'
            ? 'start from a gradient of the dual type'
            : 'pair each collective in its vjp with the forward one as the table in ops/collectives.ts does',
      });
  }
}
