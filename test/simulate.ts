// All ranks of a mesh, simulated: node by node, every op by its naive reference and every collective by copying. The oracle for typed programs.
import { groupOf, type Mesh, worldSize } from '../src/mesh/mesh.ts';
import type { Reduced } from '../src/ops/collectives.ts';
import type { NdArray } from '../src/program/program.ts';
import { elements, type Node, type Program } from '../src/program/program.ts';
import type { TypedAxis } from '../src/program/types.ts';

/** The named inputs or outputs of every rank, by rank. */
export type Ranks = readonly Readonly<Record<string, NdArray>>[];

/** Runs the programs of all ranks (the same structure on each) and returns each rank's outputs. */
export function simulate(mesh: Mesh, programs: readonly Program[], inputs: Ranks): Ranks {
  const world = worldSize(mesh);
  if (programs.length !== world || inputs.length !== world) throw new Error(`needs ${world} programs and inputs`);
  const held = programs.map((program, rank) => {
    const memory = new Map<number, NdArray>();
    for (const [name, value] of Object.entries(program.inputs)) {
      const given = inputs[rank]![name]!;
      if (given.shape.join() !== value.shape.join() || given.data.length !== elements(value.shape))
        throw new Error(`input ${name} of rank ${rank} is [${given.shape}], the program takes [${value.shape}]`);
      memory.set(value.id, given);
    }
    return memory;
  });
  for (const index of programs[0]!.nodes.keys()) {
    const nodes = programs.map((program) => program.nodes[index]!);
    const operands = nodes.map((node, rank) => node.inputs.map((value) => held[rank]!.get(value.id)!));
    const results = nodes[0]!.op.execution.by === 'transport' ? collective(mesh, nodes, operands) : operands.map(local);
    for (const [rank, node] of nodes.entries())
      for (const [place, value] of node.outputs.entries()) {
        const result = results[rank]![place]!;
        if (result.shape.join() !== value.shape.join())
          throw new Error(`${node.op.name} made [${result.shape}] of what is declared [${value.shape}]`);
        held[rank]!.set(value.id, result);
      }

    function local(given: readonly NdArray[], rank: number): NdArray[] {
      const { op, attrs } = nodes[rank]!;
      const results = op.reference!(given, attrs);
      const accumulator = op.accumulates === undefined ? undefined : given[op.accumulates];
      return accumulator ? [sum([accumulator, results[0]!]), ...results.slice(1)] : results;
    }
  }
  return programs.map((program, rank) =>
    Object.fromEntries(Object.entries(program.outputs).map(([name, value]) => [name, held[rank]!.get(value.id)!])),
  );
}

function collective(mesh: Mesh, nodes: readonly Node[], operands: readonly (readonly NdArray[])[]): NdArray[][] {
  return nodes.map(({ op, attrs }, rank) => {
    if (op.execution.by !== 'transport') throw new Error(`ranks disagree: ${op.name} is no collective`);
    const { axes, dim } = attrs as { axes: readonly TypedAxis[]; dim: number };
    const group = groupOf(mesh, rank, axes).ranks;
    const parts = group.map((member) => operands[member]![0]!);
    const { call } = op.execution;
    if (call === 'allGather') return [concat(parts, dim)];
    if (call === 'ringShift') {
      const { shift } = attrs as { shift: number };
      const from = (group.indexOf(rank) - shift) % group.length;
      return [parts.at(from)!];
    }
    if (call === 'allToAllV') {
      const own = group.indexOf(rank);
      const { room } = attrs as { room: number };
      const rows = group.flatMap((member) => rowsFor(operands[member]!, own));
      const [rowsGiven] = parts as [NdArray];
      const shape = [1, room, ...rowsGiven.shape.slice(2)];
      const data = new Float64Array(elements(shape));
      for (const [place, row] of rows.entries()) data.set(row, place * row.length);
      return [{ shape, data }];
    }
    if (call === 'allToAll') {
      const own = group.indexOf(rank);
      return [
        concat(
          parts.map((part) => share(part, 0, own, group.length)),
          0,
        ),
      ];
    }
    if (call === 'reduceScatter') return [share(sum(parts), dim, group.indexOf(rank), group.length)];
    return [(attrs as Reduced).reduce === 'max' ? maximum(parts) : sum(parts)];
  });
}

/** The rows that a rank sends to a member of its group. */
function rowsFor([rows, sent]: readonly NdArray[], member: number): Float64Array[] {
  const width = elements(rows!.shape.slice(2));
  const start = sent!.data.subarray(0, member).reduce((sum, count) => sum + count, 0);
  return Array.from({ length: sent!.data[member]! }, (_, i) =>
    rows!.data.subarray((start + i) * width, (start + i + 1) * width),
  );
}

const combine = (parts: readonly NdArray[], reduce: (values: number[]) => number): NdArray => ({
  shape: parts[0]!.shape,
  data: parts[0]!.data.map((_, index) => reduce(parts.map(({ data }) => data[index]!))),
});
export const sum = (parts: readonly NdArray[]) => combine(parts, (values) => values.reduce((a, b) => a + b));
const maximum = (parts: readonly NdArray[]) => combine(parts, (values) => Math.max(...values));

/** Tensors joined along a dim, in order. */
export function concat(parts: readonly NdArray[], dim: number): NdArray {
  const { shape } = parts[0]!;
  const rows = elements(shape.slice(0, dim));
  const width = elements(shape.slice(dim));
  const whole = shape.map((size, d) => (d === dim ? size * parts.length : size));
  const data = new Float64Array(elements(whole));
  for (const [index, part] of parts.entries())
    for (let row = 0; row < rows; row++)
      data.set(part.data.subarray(row * width, (row + 1) * width), (row * parts.length + index) * width);
  return { shape: whole, data };
}

/** Part `index` of `count` equal parts along a dim. */
export function share(whole: NdArray, dim: number, index: number, count: number): NdArray {
  const rows = elements(whole.shape.slice(0, dim));
  const width = elements(whole.shape.slice(dim)) / count;
  const shape = whole.shape.map((size, d) => (d === dim ? size / count : size));
  const data = new Float64Array(elements(shape));
  for (let row = 0; row < rows; row++)
    data.set(whole.data.subarray((row * count + index) * width, (row * count + index + 1) * width), row * width);
  return { shape, data };
}
