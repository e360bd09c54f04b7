// What a training step holds: state as ZeRO divides it, whole parameters for hardly more than a block, what recomputation leaves.
import { describe, expect, test } from 'vitest';
import { parseLayout } from '../mesh/layout.ts';
import { parseModelConfig } from '../model/families.ts';
import { elements } from '../program/program.ts';
import type { StateRole } from '../state/vectors.ts';
import type { RankProgram } from './step.ts';
import { touched } from './step.ts';
import { buildTrainingStep } from './training-step.ts';

const layers = 4;
const config = parseModelConfig(
  {
    model_type: 'llama',
    vocab_size: 32_000,
    hidden_size: 64,
    num_hidden_layers: layers,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 96,
  },
  'llama',
);
const seqLen = 1024;
const build = (text: string, microbatches = 2): RankProgram =>
  buildTrainingStep({ config, layout: parseLayout(text), seqLen, microBatch: 1, microbatches, precision: 'f32' }, 0);

const held = ({ state }: RankProgram, role: StateRole): number =>
  state.reduce((sum, vector) => sum + (vector.role === role ? vector.size : 0), 0);

describe.each([2, 3, 4])('on %i data ranks', (dp) => {
  const whole = build(`dp=${dp}`);
  /** The ZeRO level from which on a role is shared out. */
  const levels = { firstMoment: 1, secondMoment: 1, gradient: 2, parameter: 3 } as const;

  test.each([1, 2, 3] as const)('ZeRO %i divides what it is there for, padding aside', (zero) => {
    const step = build(`dp=${dp},zero=${zero}`);
    const buckets = step.state.filter(({ role }) => role === 'parameter').length;
    // Each bucket is padded to a cache line for every rank.
    const padding = buckets * 16 * (dp + 1);
    for (const [role, level] of Object.entries(levels) as [StateRole, number][]) {
      const all = held(step, role) * (zero >= level ? dp : 1);
      expect(all, role).toBeGreaterThanOrEqual(held(whole, role) - padding);
      expect(all, role).toBeLessThanOrEqual(held(whole, role) + padding);
    }
  });
});

/** Bytes of activations that instructions up to this one have touched and later ones do again. */
function bytesAcross({ buffers, instructions }: RankProgram, turn: number): number {
  const before = new Set(instructions.slice(0, turn + 1).flatMap(touched));
  const after = new Set(instructions.slice(turn + 1).flatMap(touched));
  return buffers.reduce((sum, { id, bytes, in: where }) => {
    const across = where !== 'own' && 'arena' in where && before.has(id) && after.has(id);
    return across ? sum + bytes : sum;
  }, 0);
}

test.each(['dp=2,zero=3', 'dp=2,zero=3,recompute=full', 'pp=2,dp=2,zero=3,schedule=zb-h1'])(
  '%s: hardly more than the block that runs is gathered at any time',
  (text) => {
    // One microbatch, so that a name is gathered once a phase.
    const step = build(text, 1);
    const collective = new Set(step.instructions.flatMap((each) => (each.kind === 'collective' ? [each.output] : [])));
    const names = new Set<string>();
    const open = new Map<string, number>();
    const last = new Map<number, number>();
    /** The gathering that a buffer is a view of: the one before it of that name. */
    const gatheringOf = step.buffers.map(({ id, name }) => {
      if (!name.startsWith('gathered block')) return undefined;
      if (collective.has(id)) open.set(name, id);
      names.add(name);
      return open.get(name)!;
    });
    const first = new Map<number, number>();
    for (const [index, instruction] of step.instructions.entries())
      for (const id of touched(instruction)) {
        const gathering = gatheringOf[id];
        if (gathering === undefined) continue;
        if (!first.has(gathering)) first.set(gathering, index);
        last.set(gathering, index);
      }
    expect(names.size).toBe(text.startsWith('pp') ? layers / 2 : layers);
    // Forward and backward; zb-h1 in two parts.
    expect(first.size).toBeGreaterThanOrEqual(2 * names.size);
    const most = Math.max(
      ...step.instructions.map(
        (_, index) => [...first].filter(([id, from]) => from <= index && index <= last.get(id)!).length,
      ),
    );
    expect(most).toBeGreaterThanOrEqual(1);
    expect(most).toBeLessThanOrEqual(2);
  },
);

test('under full recomputation a layer keeps its input alone from forward to backward', () => {
  const residual = seqLen * config.hiddenSize * 4;
  const kept = (text: string, microbatches: number): number => {
    const step = build(text, microbatches);
    const turn = step.instructions.findLastIndex(({ phase }) => phase === 'forward');
    return bytesAcross(step, turn);
  };
  // The head keeps its input too.
  expect(kept('tp=1,recompute=full', 1)).toBe((layers + 1) * residual);
  expect(kept('dp=2,zero=3,recompute=full', 1)).toBe((layers + 1) * residual);
  expect(kept('pp=1,schedule=gpipe,recompute=full', 3)).toBe(3 * (layers + 1) * residual);
  // Half of the layers, and nothing.
  const [none, half] = [kept('tp=1', 1), kept('tp=1,recompute=full:0-1', 1)];
  expect(none).toBeGreaterThan(4 * kept('tp=1,recompute=full', 1));
  expect(half).toBeCloseTo((none + (layers + 1) * residual) / 2, -2);
  const selective = kept('tp=1,recompute=selective', 1);
  expect(selective).toBeGreaterThan((layers + 1) * residual);
  expect(selective).toBeLessThan(none);
});

test('nothing holds the logits of all tokens, in buffers or inside of a graph', () => {
  for (const text of ['tp=1', 'tp=2', 'dp=2,zero=3,recompute=full']) {
    const step = build(text);
    const vocabulary = config.vocabSize / parseLayout(text).tp;
    const made = step.segments.flatMap(({ piece }) => piece.nodes.flatMap(({ outputs }) => outputs));
    const sizes = [...step.buffers.filter(({ in: where }) => where === 'own' || 'arena' in where), ...made].map(
      ({ shape }) => elements(shape),
    );
    const most = Math.max(...sizes);
    expect(most).toBeLessThanOrEqual(Math.max(2 ** 22, config.hiddenSize * vocabulary));
    expect(most).toBeLessThan((seqLen * vocabulary) / 2);
  }
});
