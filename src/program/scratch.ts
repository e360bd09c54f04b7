// What a session takes at run for values of its own: a liveness sum over the lowered graph, in the order ONNX Runtime runs it.
import type { DimSizes } from './onnx-builder.ts';
import type { OnnxGraph, OnnxNode } from './onnx-graph.ts';
import { inferShapes, type OnnxTensor } from './onnx-shapes.ts';

/** Their results are another shape of their operand's memory. */
const aliases = new Set(['Reshape', 'Identity']);

/** Operators that write over an operand of the result's shape and type which nobody reads after them. */
const inPlace = new Set(['Sigmoid', 'ScatterElements']);

const elementBytes = { float32: 4, float64: 8, int32: 4, int64: 8, bool: 1 } as const;

const sizeOf = ({ type, shape }: OnnxTensor): string => `${elementBytes[type]} [${shape}]`;
const bytesOf = ({ type, shape }: OnnxTensor): number => shape.reduce((all, size) => all * size, elementBytes[type]);

/** Memory taken for one tensor, and for others after it. */
interface Buffer {
  readonly bytes: number;
  /** Only a tensor of the same shape and width may follow. */
  readonly size: string;
  readonly first: number;
  last: number;
}

/** The most bytes held at once inside of a run with these sizes of named dims: for neither inputs nor outputs nor constants. */
export function scratchBytes(graph: OnnxGraph, sizes: DimSizes = {}): number {
  const tensors = inferShapes(graph, sizes);
  const order = executionOrder(fused(merged(graph), tensors));
  const changes = new Array<number>(order.length + 1).fill(0);
  for (const { bytes, first, last } of planBuffers(graph, order, tensors)) {
    changes[first]! += bytes;
    changes[last + 1]! -= bytes;
  }
  let [held, peak] = [0, 0];
  for (const change of changes) {
    held += change;
    peak = Math.max(peak, held);
  }
  return peak;
}

/**
 * As ONNX Runtime plans: a result takes over its operand's memory where the operator may, else the buffer of its size that was left
 * last, else a new one. A buffer that is taken over later is held in between.
 */
function planBuffers(
  { inputs, constants, outputs }: OnnxGraph,
  order: readonly OnnxNode[],
  tensors: ReadonlyMap<string, OnnxTensor>,
): readonly Buffer[] {
  const given = new Set([...inputs, ...constants, ...outputs].map(({ name }) => name));
  const readers = new Map<string, number>();
  for (const node of order) for (const name of node.inputs) readers.set(name, (readers.get(name) ?? 0) + 1);
  const buffers: Buffer[] = [];
  const bufferOf = new Map<string, Buffer>();
  /** Reads to come. */
  const uses = new Map<Buffer, number>();
  /** Left last comes first. */
  const left: Buffer[] = [];

  const bufferFor = (node: OnnxNode, name: string, at: number): Buffer | undefined => {
    const tensor = tensors.get(name)!;
    const size = sizeOf(tensor);
    const operand = bufferOf.get(node.inputs[0] ?? '');
    // Without a buffer the operand's memory is the caller's, and so is an alias of it.
    if (aliases.has(node.op)) return operand;
    if (inPlace.has(node.op) && operand?.size === size && uses.get(operand) === 1) return operand;
    const again = left.findIndex((other) => other.size === size);
    if (again >= 0) return left.splice(again, 1)[0];
    const made = { bytes: bytesOf(tensor), size, first: at, last: order.length - 1 };
    buffers.push(made);
    return made;
  };
  for (const [at, node] of order.entries()) {
    const leaveIfRead = (buffer: Buffer) => {
      if (uses.get(buffer) !== 0) return;
      buffer.last = at;
      left.unshift(buffer);
    };
    for (const name of node.outputs) {
      const buffer = given.has(name) ? undefined : bufferFor(node, name, at);
      if (!buffer) continue;
      bufferOf.set(name, buffer);
      uses.set(buffer, (uses.get(buffer) ?? 0) + (readers.get(name) ?? 0));
    }
    for (const name of node.inputs) {
      const buffer = bufferOf.get(name);
      if (!buffer) continue;
      uses.set(buffer, uses.get(buffer)! - 1);
      leaveIfRead(buffer);
    }
    for (const name of node.outputs) {
      const buffer = bufferOf.get(name);
      if (buffer && !readers.has(name)) leaveIfRead(buffer);
    }
  }
  return buffers;
}

/** Nodes that compute the same are one: the first. */
function merged(graph: OnnxGraph): OnnxGraph {
  const kept = new Map<string, OnnxNode>();
  const renamed = new Map<string, string>();
  const results = new Set(graph.outputs.map(({ name }) => name));
  const nodes = graph.nodes.flatMap((given): OnnxNode[] => {
    const node = { ...given, inputs: given.inputs.map((name) => renamed.get(name) ?? name) };
    const key = JSON.stringify([node.op, node.inputs, node.attributes]);
    const same = node.outputs.some((name) => results.has(name)) ? undefined : kept.get(key);
    if (!same) {
      kept.set(key, node);
      return [node];
    }
    for (const [index, name] of node.outputs.entries()) renamed.set(name, same.outputs[index]!);
    return [];
  });
  return { ...graph, nodes };
}

/** What ONNX Runtime makes of some nodes in f32; the new ones take the last places. */
function fused(graph: OnnxGraph, tensors: ReadonlyMap<string, OnnxTensor>): readonly OnnxNode[] {
  const { nodes, inputs } = graph;
  if (inputs.some(({ type }) => type === 'float64')) return nodes;
  const constants = new Map(graph.constants.map((constant) => [constant.name, constant]));
  const numbers = (name: string) => Array.from(constants.get(name)!.data);
  const readersOf = new Map<string, OnnxNode[]>();
  for (const node of nodes)
    for (const name of new Set(node.inputs)) readersOf.set(name, [...(readersOf.get(name) ?? []), node]);
  const fusions = nodes.flatMap((node): Fusion[] => {
    const readers = readersOf.get(node.outputs[0]!) ?? [];
    const fusion = gatedProduct(node, readers) ?? splitOf(node, readers, tensors, numbers);
    return fusion ? [fusion] : [];
  });
  const gone = new Set(fusions.flatMap(({ from }) => from));
  return [...nodes.filter((node) => !gone.has(node)), ...fusions.map(({ to }) => to)];
}

interface Fusion {
  readonly from: readonly OnnxNode[];
  readonly to: OnnxNode;
}

/** x · sigmoid(x). */
function gatedProduct(gate: OnnxNode, readers: readonly OnnxNode[]): Fusion | undefined {
  const [product, ...others] = readers;
  if (gate.op !== 'Sigmoid' || product?.op !== 'Mul' || others.length > 0) return undefined;
  if (!product.inputs.includes(gate.inputs[0]!)) return undefined;
  return { from: [gate, product], to: { ...product, op: 'QuickGelu', inputs: gate.inputs } };
}

/** Slices that tile a tensor which nothing else reads. */
function splitOf(
  node: OnnxNode,
  readers: readonly OnnxNode[],
  tensors: ReadonlyMap<string, OnnxTensor>,
  numbers: (constant: string) => readonly number[],
): Fusion | undefined {
  if (readers.length < 2 || readers.some(({ op }) => op !== 'Slice')) return undefined;
  const name = node.outputs[0]!;
  const cuts = readers.map((slice) => {
    const [start, end, dim] = slice.inputs.slice(1).map((constant) => numbers(constant)[0]!) as [
      number,
      number,
      number,
    ];
    return { start, end, dim, slice };
  });
  cuts.sort((a, b) => a.start - b.start);
  const { dim } = cuts[0]!;
  const ends = [0, ...cuts.map(({ end }) => end)];
  if (cuts.some((cut, index) => cut.dim !== dim || cut.start !== ends[index])) return undefined;
  if (ends.at(-1) !== tensors.get(name)!.shape[dim]) return undefined;
  const outputs = cuts.map(({ slice }) => slice.outputs[0]!);
  return { from: readers, to: { op: 'Split', domain: '', inputs: [name], outputs, attributes: {} } };
}

/** Depth first from the results backwards, later nodes first: each after all that it reads. */
function executionOrder(nodes: readonly OnnxNode[]): OnnxNode[] {
  const makers = new Map(nodes.flatMap((node, index) => node.outputs.map((name) => [name, index] as const)));
  const sources = nodes.map(({ inputs }) =>
    [...new Set(inputs.flatMap((name) => makers.get(name) ?? []))].sort((a, b) => a - b),
  );
  const read = new Set(sources.flat());
  const stack = nodes.flatMap((_, index) => (read.has(index) ? [] : [{ index, leave: false }]));
  const entered = new Set<number>();
  const order: OnnxNode[] = [];
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { index, leave } = top;
    if (leave) order.push(nodes[index]!);
    else if (!entered.has(index)) {
      entered.add(index);
      stack.push({ index, leave: true }, ...sources[index]!.map((source) => ({ index: source, leave: false })));
    }
  }
  return order;
}
