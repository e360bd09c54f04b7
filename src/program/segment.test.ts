// Cutting programs into pieces: where the cuts are, what each piece reads and writes, what is written over what, which pieces are alike.
import { expect, test } from 'vitest';
import { runProgram } from '../../test/run-graph.ts';
import type { Mesh } from '../mesh/mesh.ts';
import { allReduce, enter } from '../ops/collectives.ts';
import { accumulate, add, scale } from '../ops/elementwise.ts';
import { embedding } from '../ops/embedding.ts';
import { grad } from '../ops/grad.ts';
import { linear } from '../ops/linear.ts';
import { rmsNorm } from '../ops/norm.ts';
import { lower, structureOf } from './lower.ts';
import type { Program, Trace, Value } from './program.ts';
import { type Piece, segment } from './segment.ts';
import { finish, input, startTrace } from './trace.ts';

const origin = { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 };
const alone: Mesh = { tp: 1, cp: 1, ep: 1, dp: 1, pp: 1 };
const traceOn = (tp: number): Trace => startTrace({ ...alone, tp }, origin);

const shown = (piece: Piece): string =>
  piece.kind === 'compute' ? piece.nodes.map(({ op }) => op.name).join(' ') : `${piece.kind} ${piece.node.op.name}`;
const compute = (program: Program) =>
  segment(program).pieces.flatMap((piece) => (piece.kind === 'compute' ? [piece] : []));

/** A row- and column-parallel MLP with an embedding before it. */
function model(): { program: Program; values: Record<string, Value> } {
  const trace = traceOn(2);
  const ids = input(trace, [1, 3], {}, 'int');
  const [table, gain] = [input(trace, [5, 4], { tp: 'V0' }), input(trace, [4], { tp: 'I' })];
  const [up, down] = [input(trace, [6, 4], { tp: 'V0' }), input(trace, [4, 6], { tp: 'V1' })];
  const part = embedding(ids, table);
  const x = allReduce(part, 'tp', 'I');
  const normed = rmsNorm(x, gain, 1e-6);
  const entered = enter(normed, 'tp');
  const out = linear(scale(linear(entered, up), 2), down);
  const y = add(x, allReduce(out, 'tp', 'I'));
  const values = { ids, table, gain, up, down, part, x, normed, entered, out, y };
  return { program: finish(trace, { ids, table, gain, up, down }, { y, kept: entered }), values };
}

test('pieces lie between collectives and host ops, and say what they read and write', () => {
  const { program, values } = model();
  const { pieces, memoryOf } = segment(program);
  expect(pieces.map(shown)).toEqual([
    'host embedding',
    'collective allReduce',
    'rmsNorm linear scale linear',
    'collective allReduce',
    'add',
  ]);
  const { x, gain, up, down, normed, entered, out, y } = values;
  expect(pieces[2]!.inputs).toEqual([x, gain, up, down]);
  // `entered` is an output of the program and the memory of `normed`.
  expect(pieces[2]!.outputs).toEqual([normed, out]);
  expect(pieces[4]!.outputs).toEqual([y]);
  expect(memoryOf(entered!)).toBe(normed);
  expect(memoryOf(out!)).toBe(out);
});

test('a value that only changes its type keeps its memory, however often it does', () => {
  const trace = startTrace({ ...alone, tp: 2, dp: 2 }, origin);
  const x = input(trace, [2], { tp: 'I', dp: 'I' });
  const twice = enter(enter(x, 'tp'), 'dp');
  const y = scale(twice, 2);
  const { pieces, memoryOf } = segment(finish(trace, { x }, { y, twice }));
  expect(memoryOf(twice)).toBe(x);
  expect(pieces.map((piece) => piece.inputs)).toEqual([[x]]);
});

test('what nothing reads is no output, and a piece without outputs is dropped, with what only it read', () => {
  const trace = traceOn(2);
  const x = input(trace, [2], { tp: 'P' });
  const dead = scale(scale(x, 2), 3);
  const sum = allReduce(x, 'tp', 'R');
  scale(dead, 4);
  const pieces = segment(finish(trace, { x }, { sum })).pieces;
  expect(pieces.map(shown)).toEqual(['collective allReduce']);
});

test('gradients are written over their accumulators, by their own op or by one more', async () => {
  const trace = traceOn(1);
  const [x, w, gain] = [input(trace, [2, 3, 4], {}), input(trace, [5, 4], {}), input(trace, [4], {})];
  const y = linear(rmsNorm(x, gain, 1e-6), w);
  const before = trace.nodes.length;
  const seed = input(trace, y.shape, {});
  const [sumW, sumGain] = [input(trace, [5, 4], {}), input(trace, [4], {})];
  const [dx, dw, dGain] = grad(trace, [{ value: y, gradient: seed }], [x, w, gain], [undefined, sumW, sumGain]);
  expect(trace.nodes.slice(before).map(({ op }) => op.name)).toEqual([
    'linear',
    'outerSum',
    'rmsNormGrad',
    'accumulate',
  ]);
  const program = finish(trace, { x, w, gain, seed, sumW, sumGain }, { dx: dx!, dw: dw!, dGain: dGain! });
  const [piece] = compute(program);
  const over = new Map(piece!.outputs.map((output, index) => [output, piece!.over[index]]));
  expect(over.get(dw!)).toBe(sumW);
  expect(over.get(dGain!)).toBe(sumGain);
  expect(over.get(dx!)).toBeUndefined();

  const ones = (value: Value) => ({
    shape: value.shape,
    data: new Float64Array(value.shape.reduce((a, b) => a * b)).fill(1),
  });
  const given = Object.fromEntries(Object.entries(program.inputs).map(([name, value]) => [name, ones(value)]));
  const ran = await runProgram(program, 'f64', given);
  expect(ran.inputs.sumW).toEqual(ran.outputs.dw!.data);
  expect(ran.inputs.sumGain).toEqual(ran.outputs.dGain!.data);
});

test('sums added up within a piece are written over the accumulator from outside', () => {
  const trace = traceOn(1);
  const [sum, a, b] = [input(trace, [3], {}), input(trace, [3], {}), input(trace, [3], {})];
  const total = accumulate(accumulate(sum, a), b);
  const [piece] = compute(finish(trace, { sum, a, b }, { total }));
  expect(piece!.outputs).toEqual([total]);
  expect(piece!.over).toEqual([sum]);
});

test('layers of one structure have one graph, whatever their values; other shapes, attributes or outputs have another', () => {
  const layer = (options: { width?: number; epsilon?: number; keep?: boolean; before?: number } = {}): string => {
    const { width = 4, epsilon = 1e-6, keep = false, before = 0 } = options;
    const trace = traceOn(1);
    for (let i = 0; i < before; i++) input(trace, [1], {});
    const [x, gain, w] = [input(trace, [1, 2, 4], {}), input(trace, [4], {}), input(trace, [width, 4], {})];
    const normed = rmsNorm(x, gain, epsilon);
    const y = linear(normed, w);
    return structureOf(compute(finish(trace, { x, gain, w }, keep ? { y, normed } : { y }))[0]!);
  };
  expect(layer({ before: 7 })).toBe(layer());
  const others = [layer({ width: 5 }), layer({ epsilon: 1e-5 }), layer({ keep: true })];
  expect(new Set([layer(), ...others]).size).toBe(4);

  // Two layers of one program: the same structure, with a collective between them.
  const trace = traceOn(2);
  const rowParallel = (h: Value) => allReduce(linear(scale(h, 2), input(trace, [4, 4], { tp: 'V1' })), 'tp', 'I');
  const [h, w] = [input(trace, [1, 2, 4], { tp: 'V2' }), input(trace, [4, 4], { tp: 'V0' })];
  const y = rowParallel(linear(enter(rowParallel(h), 'tp'), w));
  const [first, second, ...rest] = compute(finish(trace, {}, { y })).map(structureOf);
  expect(rest).toEqual([]);
  expect(second).not.toBe(first);
  const again = compute(finish(trace, {}, { y: rowParallel(h) })).map(structureOf);
  expect(again.at(-1)).toBe(first);
});

test('the operands of a node in another order are another structure', () => {
  const structure = (swap: boolean): string => {
    const trace = traceOn(1);
    const [a, b] = [input(trace, [2, 2], {}), input(trace, [2, 2], {})];
    const y = swap ? add(scale(b, 2), a) : add(a, scale(b, 2));
    return structureOf(compute(finish(trace, { a, b }, { y }))[0]!);
  };
  expect(structure(true)).not.toBe(structure(false));
});

test('a lowered piece names its inputs and outputs in order, and counts its FLOPs', () => {
  const { program } = model();
  const piece = compute(program)[0]!;
  const { graph, flops } = lower(piece, 'f32');
  expect(graph.inputs.map(({ name, shape, type }) => `${name} ${type} [${shape}]`)).toEqual([
    'i0 float32 [1,3,4]',
    'i1 float32 [4]',
    'i2 float32 [6,4]',
    'i3 float32 [4,6]',
  ]);
  expect(graph.outputs.map(({ name, shape }) => `${name} [${shape}]`)).toEqual(['o0 [1,3,4]', 'o1 [1,3,4]']);
  expect(flops).toBe(2 * 3 * 4 * 6 * 2);
});
