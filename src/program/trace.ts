// Writes a program: inputs, and the application of ops with their shapes and types checked at once.
import { fail } from '../errors.ts';
import type { Coords, Mesh } from '../mesh/mesh.ts';
import { onCountedRows } from './counted-rows.ts';
import type { Dtype, Node, Program, Shape, Trace, Value } from './program.ts';
import { expectShape, type Op, ShapeProblem, type TensorShape } from './program.ts';
import { resultTypes } from './result-types.ts';
import { type AxisType, type TypedAxis, type Types, typedAxes } from './types.ts';

export function startTrace(mesh: Mesh, coords: Coords): Trace {
  return { mesh, coords, nodes: [], nextId: 0, site: '' };
}

/** A new value of the trace; `types` on axes of one rank are dropped. */
export function newValue(trace: Trace, tensor: TensorShape, types: Types, counted?: Value): Value {
  const kept: { [axis in TypedAxis]?: AxisType } = {};
  for (const axis of typedAxes) if (trace.mesh[axis] > 1) kept[axis] = types[axis] ?? 'R';
  const { shape, dtype } = tensor;
  return { id: trace.nextId++, shape, dtype, types: kept, trace, ...(counted && { counted }) };
}

/** An input of local `shape`; on axes not named it is replicated. */
export const input = (trace: Trace, shape: Shape, types: Types, dtype: Dtype = 'float'): Value =>
  newValue(trace, { shape, dtype }, types);

/** Applies an op; throws SHAPE_MISMATCH or TYPE_MISMATCH naming op, site, axis and fix. */
export function apply<A extends object>(op: Op<A>, inputs: readonly Value[], attrs: A): Value[] {
  const counted = op.rowwise && inputs.every((x) => x.counted) ? inputs[0]!.counted : undefined;
  if (counted) return applyPlain(onCountedRows(op as unknown as Op), [...inputs, counted], attrs, counted);
  const { rowsOf, countedBy } = op;
  if (countedBy !== undefined) return applyPlain(op, inputs, attrs, inputs[countedBy]);
  return applyPlain(op, inputs, attrs, rowsOf === undefined ? undefined : inputs[rowsOf]!.counted);
}

function applyPlain<A extends object>(op: Op<A>, inputs: readonly Value[], attrs: A, counted?: Value): Value[] {
  const trace = inputs[0]!.trace;
  const shapes = checkedShapes(op, inputs, attrs, trace);
  const types: Partial<Record<TypedAxis, AxisType>>[] = shapes.map(() => ({}));
  const typing = typeof op.typing === 'function' ? op.typing(inputs, attrs) : op.typing;
  for (const axis of typedAxes) {
    if (trace.mesh[axis] === 1) continue;
    const result = resultTypes(typing!, inputs, axis);
    if (!Array.isArray(result)) return fail('TYPE_MISMATCH', { op: op.name, site: trace.site, ...result });
    for (const [index, type] of result.entries()) types[index]![axis] = type;
  }
  return record(op, inputs, attrs, shapes, types, counted);
}

/** Appends a node whose result types the caller has worked out (collectives). */
export function record<A extends object>(
  op: Op<A>,
  inputs: readonly Value[],
  attrs: A,
  shapes: readonly TensorShape[],
  types: readonly Types[],
  counted?: Value,
): Value[] {
  const trace = inputs[0]!.trace;
  const outputs = shapes.map((tensor, index) => newValue(trace, tensor, types[index]!, counted));
  trace.nodes.push({ op, inputs, outputs, attrs, site: trace.site } as unknown as Node);
  return outputs;
}

export function checkedShapes<A extends object>(op: Op<A>, inputs: readonly Value[], attrs: A, trace: Trace) {
  try {
    const double = inputs.findIndex(({ dtype }) => dtype === 'double');
    expectShape(
      double < 0 || op.execution.by !== 'onnx',
      `operand ${double} is of 64 bits in every run (double), which only host ops and collectives take; make it a float`,
    );
    return op.shape(inputs, attrs);
  } catch (error) {
    if (error instanceof ShapeProblem)
      return fail('SHAPE_MISMATCH', { op: op.name, site: trace.site, problem: error.message });
    throw error;
  }
}

/** Runs `write` with ops labelled as belonging to `site` of the model. */
export function at<T>(trace: Trace, site: string, write: () => T): T {
  const before = trace.site;
  trace.site = before === '' ? site : `${before} ${site}`;
  try {
    return write();
  } finally {
    trace.site = before;
  }
}

export const finish = (trace: Trace, inputs: Program['inputs'], outputs: Program['outputs']): Program => ({
  inputs,
  nodes: [...trace.nodes],
  outputs,
});
