// Reverse mode: appends to a trace the ops that compute gradients, from the ops' own vjps.
import { fail } from '../errors.ts';
import { at } from '../program/trace.ts';
import { dual, typedAxes } from '../program/types.ts';
import type { Trace, Value } from '../program/value.ts';
import { accumulate, add } from './elementwise.ts';

/** What gradients start from: a value and its gradient. */
export interface Seed {
  readonly value: Value;
  readonly gradient: Value;
}

/**
 * Gradients of `wrt`, in order; undefined where nothing depends on it. With an accumulator (same index) the gradient is added
 * to it in place, by the op that makes the gradient where that op can (`accumulates`).
 * A gradient's type is the dual of its value's on every axis; TYPE_MISMATCH otherwise.
 */
export function grad(
  trace: Trace,
  seeds: readonly Seed[],
  wrt: readonly Value[],
  accumulators: readonly (Value | undefined)[] = [],
): (Value | undefined)[] {
  const forward = [...trace.nodes];
  const contributions = new Map<number, Value[]>();
  const contribute = (value: Value, gradient: Value | undefined): void => {
    if (gradient === undefined) return;
    expectDual(value, gradient);
    const known = contributions.get(value.id);
    if (known) known.push(gradient);
    else contributions.set(value.id, [gradient]);
  };
  const total = (value: Value): Value | undefined => {
    const parts = contributions.get(value.id);
    if (!parts) return undefined;
    const sum = parts.reduce((a, b) => add(a, b));
    contributions.set(value.id, [sum]);
    return sum;
  };

  for (const { value, gradient } of seeds) contribute(value, gradient);
  for (const node of forward.toReversed()) {
    const gradients = node.outputs.map(total);
    if (gradients.every((gradient) => gradient === undefined)) continue;
    if (!node.op.vjp)
      return fail('TYPE_MISMATCH', {
        op: node.op.name,
        site: node.site,
        axis: 'none',
        problem: 'it has no gradient',
        fix: 'do not differentiate through it',
      });
    const results = at(trace, node.site, () => node.op.vjp!({ node, gradients }));
    for (const [index, input] of node.inputs.entries()) if (input.dtype === 'float') contribute(input, results[index]);
  }
  return wrt.map((value, index) => {
    const gradient = total(value);
    const accumulator = accumulators[index];
    return gradient && accumulator ? addInto(trace, accumulator, gradient) : (gradient ?? accumulator);
  });
}

/** accumulator + gradient: by the gradient's own op when it can, else by one more. */
function addInto(trace: Trace, accumulator: Value, gradient: Value): Value {
  const index = trace.nodes.findIndex((node) => node.outputs[0] === gradient);
  const node = trace.nodes[index];
  if (node?.op.accumulates === undefined) return accumulate(accumulator, gradient);
  trace.nodes[index] = { ...node, inputs: [...node.inputs, accumulator] };
  return gradient;
}

function expectDual(value: Value, gradient: Value): void {
  for (const axis of typedAxes) {
    const type = value.types[axis];
    if (type !== undefined && gradient.types[axis] !== dual(type))
      fail('TYPE_MISMATCH', {
        op: 'grad',
        site: value.trace.site,
        axis,
        problem: `the gradient of a ${type} value is ${gradient.types[axis]}, not ${dual(type)}`,
        fix: 'its vjp must use the collective that the transition table pairs with the forward one',
      });
  }
}
