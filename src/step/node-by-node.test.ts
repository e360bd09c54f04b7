// A step cut into its nodes computes what it did: the same state after it, by as many FLOPs.
import { expect, test } from 'vitest';
import { aloneTransport } from '../../test/alone-transport.ts';
import { heldNumbers } from '../checkpoint/held-numbers.ts';
import { oneRank, parseLayout } from '../mesh/layout.ts';
import { coordsOf } from '../mesh/mesh.ts';
import { parseModelConfig } from '../model/families.ts';
import { findPreset } from '../model/presets.ts';
import { createExecutor } from '../runtime/executor.ts';
import { allocateMemory } from '../runtime/memory.ts';
import { initialise } from '../train/initial.ts';
import { optimizerDefaults, writeOptimizer } from '../train/optimizer.ts';
import { fillStep } from './fill-tokens.ts';
import { nodeByNode } from './node-by-node.ts';
import type { StepSettings } from './settings.ts';
import type { TrainingStep } from './step.ts';
import { buildTrainingStep } from './training-step.ts';

const settingsOf = (preset: string, layout: string): StepSettings => ({
  config: parseModelConfig({ ...findPreset(preset), ...small[preset] }, preset),
  layout: parseLayout(layout),
  seqLen: 8,
  microBatch: 2,
  microbatches: 2,
  precision: 'f64',
});

const llama = { hidden_size: 16, num_hidden_layers: 2, intermediate_size: 24, vocab_size: 24 };
const small: Readonly<Record<string, object>> = {
  'llama-tiny': llama,
  'mixtral-tiny': llama,
  gpt2: { n_embd: 16, n_head: 4, n_layer: 2, vocab_size: 24, resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 },
};

/** Of one step: the numbers of its state after it, one after another, its loss, and the FLOPs that ran. */
function played(step: TrainingStep, settings: StepSettings) {
  const memory = allocateMemory([step], (bytes) => new Uint8Array(bytes));
  const executor = createExecutor(step, { transport: aloneTransport(), memory });
  const { of } = executor.memory;
  const coords = coordsOf(oneRank, 0);
  for (const { spec, ranges, numbers } of heldNumbers(step.state, 'parameter', memory.state, oneRank, coords))
    initialise(numbers, spec, ranges, 1);
  const row = (index: number) => Int32Array.from({ length: 9 }, (_, i) => (i * 7 + index * 5) % 24);
  const sequence = (index: number) => ({ inputs: row(index).subarray(0, 8), targets: row(index).subarray(1) });
  fillStep(of, step, { settings, coords, step: 1, sequence });
  of(step.one!)[0] = 1;
  writeOptimizer(of(step.optimizer), 1, optimizerDefaults(1e-3, 1));
  executor.run();
  const state = step.state.flatMap((vector) => [...memory.state.of(vector)]);
  const result = { state, loss: of(step.loss)[0]!, flops: executor.flops() };
  executor.dispose();
  return result;
}

test.each([
  ['llama-tiny', 'tp=1'],
  ['llama-tiny', 'tp=1,recompute=selective'],
  ['gpt2', 'tp=1,recompute=full'],
  ['mixtral-tiny', 'tp=1'],
])('%s, %s', (preset, layout) => {
  const settings = settingsOf(preset, layout);
  const step = buildTrainingStep(settings, 0);
  const cut = nodeByNode(step);
  for (const { piece } of cut.segments) expect(piece.nodes).toHaveLength(1);
  expect(cut.instructions.length).toBeGreaterThan(step.instructions.length);
  const [plain, nodes] = [played(step, settings), played(cut, settings)];
  expect(nodes.flops).toBe(plain.flops);
  expect(plain.loss).toBeGreaterThan(1);
  // In double precision; ONNX Runtime may join nodes of a segment, which rounds otherwise.
  expect(Math.abs(nodes.loss - plain.loss)).toBeLessThan(1e-12);
  const furthest = plain.state.reduce((most, each, i) => Math.max(most, Math.abs(each - nodes.state[i]!)), 0);
  expect(furthest).toBeLessThan(1e-12);
});
