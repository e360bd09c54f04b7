// Keys and values of other cp ranks: how often they travel, how many a rank holds, and that a ring's memory does not grow with the ring.
import { expect, test } from 'vitest';
import { configJson } from '../../test/small-models.ts';
import { parseLayout } from '../mesh/layout.ts';
import { coordsOf } from '../mesh/mesh.ts';
import type { Node } from '../program/program.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { parseModelConfig } from './families.ts';
import { tracePart } from './parts.ts';

const config = parseModelConfig(
  configJson({
    ...{ family: 'llama', heads: 4, kvHeads: 4, headDim: 6, hidden: 24, mlp: 32, vocab: 20, layers: 2 },
    ...{ tied: false, biases: true, window: 5 },
  }),
  'llama',
);

function blockOf(text: string) {
  const layout = parseLayout(text);
  return tracePart('block', { config, layout, coords: coordsOf(layout, 0), batch: 1, seqLen: 8 });
}

const isShift = ({ op }: Node) => op.name === 'ringShift';
const shiftsOf = (nodes: readonly Node[]) =>
  nodes.filter(isShift).map(({ attrs }) => (attrs as { shift: number }).shift);

test('a ring of four goes round once forward, and back with its gradients', () => {
  const { forward, backward } = blockOf('cp=4');
  // Keys and values, three steps.
  expect(shiftsOf(forward.nodes)).toEqual([1, 1, 1, 1, 1, 1]);
  // Keys and values again, and their gradients: each one place back at a time, the first from where it started to the last.
  expect(shiftsOf(backward.nodes)).toEqual(Array.from({ length: 12 }, () => -1));
});

test('nothing that came from another rank is kept, and nothing of the parts that were merged', () => {
  const sizes = (text: string) => {
    const { forward } = blockOf(text);
    const foreign = new Set(forward.nodes.filter(isShift).flatMap(({ outputs }) => outputs.map(({ id }) => id)));
    const kept = Object.entries(forward.outputs).filter(([name]) => name.startsWith('saved:'));
    expect(kept.filter(([, { id }]) => foreign.has(id))).toEqual([]);
    // Log-sum-exps apart, of which there is one a part and one a merge.
    return kept
      .filter(([, { dtype, shape }]) => dtype === 'float' && shape.at(-1) !== 1)
      .map(([, { shape }]) => `${shape}`);
  };
  const two = sizes('cp=2');
  expect(sizes('cp=4')).toEqual(two);
  expect(two.length).toBeGreaterThan(5);
});

test('at any time a rank holds at most two blocks of keys and values of others', () => {
  for (const nodes of [blockOf('cp=4').forward.nodes, blockOf('cp=4').backward.nodes]) {
    const ofKeys = nodes.flatMap((node) => (isShift(node) ? node.outputs : []));
    const made = (id: number) => nodes.findIndex(({ outputs }) => outputs.some((each) => each.id === id));
    const read = (id: number) => nodes.findLastIndex(({ inputs }) => inputs.some((each) => each.id === id));
    const readByAttention = ofKeys.filter(({ id }) =>
      nodes.some(({ op, inputs }) => op.name.startsWith('attention') && inputs.some((each) => each.id === id)),
    );
    expect(readByAttention.length).toBe(6);
    const alive = nodes.map((_, at) => readByAttention.filter(({ id }) => made(id) <= at && at <= read(id)).length);
    // A key and a value each.
    expect(Math.max(...alive)).toBeLessThanOrEqual(4);
  }
});

test('activations are divided by the ranks of every mode', () => {
  const bytes = (text: string): number => {
    const layout = parseLayout(text);
    const step = buildTrainingStep(
      { config, layout, seqLen: 4096, microBatch: 1, microbatches: 1, precision: 'f32' },
      0,
    );
    return step.arenaBytes;
  };
  const one = bytes('tp=1');
  // Beside its shares a rank holds what it looks at of the others at the time.
  for (const text of ['cp=2', 'cp=2,cpMode=gather', 'cp=2,cpMode=ulysses']) expect(bytes(text) / one).toBeLessThan(0.6);
  for (const text of ['cp=4', 'cp=4,cpMode=gather', 'cp=4,cpMode=ulysses'])
    expect(bytes(text) / one).toBeLessThan(0.35);
});
