// Slicing a backward program: its input gradients (B) and its weight gradients (W) apart, as zero-bubble schedules run them.
import { expect, test } from 'vitest';
import { scale } from '../ops/elementwise.ts';
import { grad } from '../ops/grad.ts';
import { linear } from '../ops/linear.ts';
import { rmsNorm } from '../ops/norm.ts';
import { slice } from './slice.ts';
import { input, startTrace } from './trace.ts';

const mesh = { tp: 1, cp: 1, ep: 1, dp: 1, pp: 1 };
const origin = { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 };

test('the input gradient and the weight gradients of two linear layers', () => {
  const trace = startTrace(mesh, origin);
  const x = input(trace, [2, 3, 4], {});
  const [w1, w2] = [input(trace, [5, 4], {}), input(trace, [6, 5], {})];
  const y = linear(linear(x, w1), w2);
  const forward = [...trace.nodes];
  const seed = input(trace, y.shape, {});
  const [dx, d1, d2] = grad(trace, [{ value: y, gradient: seed }], [x, w1, w2]);
  const backward = trace.nodes.slice(forward.length);
  const names = (wanted: Parameters<typeof slice>[1]) => slice(backward, wanted).map(({ op }) => op.name);

  expect(names([dx!])).toEqual(['linear', 'linear']);
  expect(names([d2!])).toEqual(['outerSum']);
  expect(names([d1!])).toEqual(['linear', 'outerSum']);
  expect(names([dx!, d1!, d2!])).toEqual(['linear', 'outerSum', 'linear', 'outerSum']);
  // W after B: what B made is given, so nothing is computed twice.
  const inB = new Set(slice(backward, [dx!]));
  const inW = slice(backward, [d1!, d2!]).filter((node) => !inB.has(node));
  expect(inW.map(({ op }) => op.name)).toEqual(['outerSum', 'outerSum']);
});

test('a node is kept for any of its results, in order, and what nothing needs is dropped', () => {
  const trace = startTrace(mesh, origin);
  const [x, gain, unused] = [input(trace, [2, 4], {}), input(trace, [4], {}), input(trace, [2, 4], {})];
  rmsNorm(unused, gain, 1e-6);
  const y = rmsNorm(rmsNorm(x, gain, 1e-6), gain, 1e-6);
  const last = trace.nodes[2]!;
  expect(slice(trace.nodes, [y])).toEqual(trace.nodes.slice(1));
  expect(slice(trace.nodes, [last.outputs[1]!])).toEqual(trace.nodes.slice(1));
  expect(slice(trace.nodes, [x])).toEqual([]);
});

test('every operand of a kept node is kept, the last ones too', () => {
  const trace = startTrace(mesh, origin);
  const [x, gain, weight] = [input(trace, [2, 3, 4], {}), input(trace, [4], {}), input(trace, [4, 4], {})];
  const y = linear(x, scale(weight, 2));
  const z = rmsNorm(y, scale(gain, 3), 1e-6);
  expect(slice(trace.nodes, [z])).toEqual(trace.nodes);
  expect(slice(trace.nodes, [y])).toEqual(trace.nodes.slice(0, 2));
});
