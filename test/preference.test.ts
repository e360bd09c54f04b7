// Direct preference optimization against the outside world: log-probabilities, loss and every gradient that PyTorch computed in f64.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openSafetensors } from '../src/checkpoint/safetensors.ts';
import type { Sequence } from '../src/data/sequences.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { parseModelConfig } from '../src/model/families.ts';
import type { StepSettings } from '../src/step/settings.ts';
import { optimizerDefaults } from '../src/train/optimizer.ts';
import { runEquality } from './equality-run.ts';
import { fullRanges } from './full-ranges.ts';
import { sharedPool } from './shared-pool.ts';
import { assemble, difference } from './whole-tensors.ts';

const pool = sharedPool();

const path = fileURLToPath(new URL('./fixtures/llama', import.meta.url));
const config = parseModelConfig(JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')), path);
const fixture = openSafetensors(join(path, 'preference.safetensors'));

const shapeOf = (tensor: string) => fixture.tensors.get(tensor)!.shape;
const sizeOf = (tensor: string) => shapeOf(tensor).reduce((product, size) => product * size, 1);
function numbers(tensor: string): Float64Array {
  const out = new Float64Array(sizeOf(tensor));
  fixture.readSlice(tensor, fullRanges(shapeOf(tensor)), out);
  return out;
}
function integers(tensor: string): number[] {
  const out = new BigInt64Array(sizeOf(tensor));
  fixture.readSlice(tensor, fullRanges(shapeOf(tensor)), out);
  return Array.from(out, Number);
}

const [pairs, , longest] = shapeOf('tokens') as [number, number, number];
const tokens = integers('tokens');
const prompts = integers('prompts');
/** Tokens of a completion and its prompt. */
const sequenceOf = (pair: number, side: number): number[] =>
  tokens.slice((2 * pair + side) * longest, (2 * pair + side + 1) * longest).filter((id) => id >= 0);

/** Pairs one after another in a row of so many tokens. */
function rowOf(held: readonly number[], length: number): Sequence {
  const row = {
    inputs: new Int32Array(length),
    targets: new Int32Array(length),
    positions: new Int32Array(length),
    documents: new Int32Array(length).fill(2 * held.length),
    weights: new Float32Array(length),
    pairs: held,
  };
  let at = 0;
  for (const [k, pair] of held.entries())
    for (const side of [0, 1]) {
      const ids = sequenceOf(pair, side);
      for (let i = 0; i + 1 < ids.length; i++, at++) {
        row.inputs[at] = ids[i]!;
        row.targets[at] = ids[i + 1]!;
        row.positions[at] = i;
        row.documents[at] = 2 * k + side;
        row.weights[at] = i + 1 >= prompts[pair]! ? 1 : 0;
      }
    }
  return row;
}

/** Of each tensor's largest element. The reference is f64: another order of summing leaves 1e-13, f32 some 1e-6. */
const tolerances = { f64: 1e-9, f32: 1e-4 } as const;

/** Three rows for two replicas and two microbatches: one is left empty. */
const rows = [[0, 1], [2, 3], [4], []];
const length = 48;

test.each(['tp=1', 'tp=2,sp', 'pp=2,schedule=zb-h1', 'tp=2,pp=2,dp=2,zero=2'])('with %s', async (text) => {
  const layout = parseLayout(text);
  const reference = numbers('reference');
  const job = {
    optimizer: optimizerDefaults(1e-3, 1),
    steps: 1,
    sequences: rows.map((held) => rowOf(held, length)),
    reference,
    weights: path,
  };
  for (const precision of ['f64', 'f32'] as const) {
    const settings: StepSettings = {
      config,
      layout,
      lossBlock: 11,
      seqLen: length,
      microBatch: 1,
      microbatches: rows.length / layout.dp,
      precision,
      packed: 'by-count',
      preference: { beta: numbers('beta')[0]!, pairs: 2 },
    };
    const results = await runEquality({ ...job, settings }, pool);
    const [loss] = numbers('loss');
    for (const { losses } of results) expect(Math.abs(losses[0]! - loss!) / loss!).toBeLessThan(tolerances[precision]);
    for (const { figures } of results)
      expect(difference(figures, expectedFigures())).toBeLessThan(tolerances[precision]);
    const gradients = assemble(results).get('gradient 1')!;
    const named = [...fixture.tensors.keys()].filter((name) => name.startsWith('grad.'));
    const wrong = named
      .map((name) => ({ name, size: difference(gradients.get(name.slice(5))!, numbers(name)) }))
      .filter(({ size }) => !(size < tolerances[precision]));
    expect(wrong).toEqual([]);
    expect(gradients.size).toBe(named.length);
  }
});

/** As the paper has them, from PyTorch's log-probabilities. */
function expectedFigures(): number[] {
  const [policy, reference, beta] = [numbers('log_probs'), numbers('reference'), numbers('beta')[0]!];
  const mean = (of: (pair: number) => number) =>
    Array.from({ length: pairs }, (_, pair) => of(pair)).reduce((sum, value) => sum + value, 0) / pairs;
  const reward = (pair: number, side: number) => beta * (policy[2 * pair + side]! - reference[2 * pair + side]!);
  return [
    mean((pair) => reward(pair, 0)),
    mean((pair) => reward(pair, 1)),
    mean((pair) => (reward(pair, 0) > reward(pair, 1) ? 1 : 0)),
    mean((pair) => reward(pair, 0) - reward(pair, 1)),
    mean((pair) => policy[2 * pair]!),
    mean((pair) => policy[2 * pair + 1]!),
  ];
}
