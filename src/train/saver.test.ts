// A rank that saves beside its steps: what it hands over is what it held then, and no copy is taken before the last one is written.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { aloneTransport } from '../../test/alone-transport.ts';
import { trainJob } from '../../test/train-job.ts';
import { claimOut } from '../checkpoint/claim.ts';
import { openOptimizer } from '../checkpoint/hf-directory.ts';
import { committedStep } from '../checkpoint/out-files.ts';
import { parseLayout } from '../mesh/layout.ts';
import { coordsOf, worldSize } from '../mesh/mesh.ts';
import { parseModelConfig } from '../model/families.ts';
import { presets } from '../model/presets.ts';
import { estimateTraining, withSnapshots } from '../plan/memory.ts';
import { allocateMemory } from '../runtime/memory.ts';
import { stateOf } from '../state/vectors.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import type { TrainReport } from './job.ts';
import { saveCopies } from './save-shards.ts';
import { createSaver } from './saver.ts';
import { makeSnapshots, snapshotMemory } from './snapshot.ts';

const out = mkdtempSync(join(tmpdir(), 'fivefold-saver-'));
const { token: claim, release } = claimOut(out);
afterAll(() => {
  release();
  rmSync(out, { recursive: true });
});

const config = parseModelConfig(presets['llama-tiny'], 'llama-tiny');
const shape = { config, seqLen: 8, microBatch: 1, microbatches: 1, precision: 'f32' } as const;
const settings = { ...shape, layout: parseLayout('tp=1') };
const save = { out, claim, every: 1, config: '{}', manifest: {} };

test('steps are handed over one at a time; a second one waits, says so once and says that it is alive', () => {
  const step = buildTrainingStep(settings, 0);
  const memory = allocateMemory([step], (bytes) => new Uint8Array(bytes)).state;
  const moments = memory.of(step.state.find(({ role }) => role === 'firstMoment')!);
  const written = new SharedArrayBuffer(4);
  const snapshots = makeSnapshots(settings).map((buffers) => ({ buffers, written }));
  const job = { ...trainJob(settings, 'tokens.bin', 9), save, snapshots };
  const reports: TrainReport[] = [];
  const beats: string[] = [];
  // The thread that writes is done when the rank has waited for three slices of time.
  const transport = {
    ...aloneTransport(),
    heartbeat(site: string) {
      beats.push(site);
      const waited = beats.filter((each) => each.startsWith('waiting')).length;
      if (waited % 3 === 0 && site.startsWith('waiting')) Atomics.add(new Int32Array(written), 0, 1);
    },
  };
  const saveStep = createSaver(transport, memory, step.state, job, (report) => reports.push(report));
  for (const number of [1, 2, 3]) {
    moments.fill(number);
    saveStep(number);
    // What the next step does with the state is not what is written.
    moments.fill(0.5);
    saveCopies([snapshotMemory(snapshots[0]!.buffers, settings, 0)], settings, save, number, () => undefined);
    expect(committedStep(out)).toBe(number);
    expect(firstMoments()).toEqual([number, number, number]);
  }
  expect(reports).toEqual([
    { kind: 'copied', step: 1 },
    { kind: 'saveWaits', step: 2 },
    { kind: 'copied', step: 2 },
    { kind: 'copied', step: 3 },
  ]);
  expect(beats.filter((site) => site === 'waiting for the checkpoint before this one').length).toBe(6);
});

function firstMoments(): number[] {
  const state = openOptimizer(out);
  const numbers = new Float32Array(3);
  const ranges = [
    [0, 1],
    [0, 3],
  ] as const;
  state.read('model.layers.0.mlp.up_proj.weight.exp_avg', ranges, numbers);
  state.close();
  return [...numbers];
}

test.each(['tp=1', 'tp=2,sp', 'dp=2', 'dp=2,zero=3', 'tp=2,pp=2,dp=2,zero=1'])(
  '%s: the copies of all ranks hold the model and its moments once, as the plan counts them',
  (layout) => {
    const split = { ...shape, layout: parseLayout(layout) };
    const bytes = makeSnapshots(split)
      .flat()
      .reduce((sum, { byteLength }) => sum + byteLength, 0);
    // One rank holds all there is, padded a little where it is cut.
    const { vectors } = stateOf(config, settings.layout, coordsOf(settings.layout, 0));
    const all = 4 * vectors.reduce((sum, { role, size }) => sum + (role === 'gradient' ? 0 : size), 0);
    expect(bytes / all).toBeGreaterThan(0.999);
    expect(bytes / all).toBeLessThan(1.02);
    const plain = estimateTraining(split);
    const estimate = withSnapshots(plain, split);
    const thread = estimate.snapshots - bytes;
    expect(thread).toBe(withSnapshots(plain, settings).snapshots - all);
    expect(estimate.processBytes).toBe(plain.processBytes + estimate.snapshots);
    expect(estimate.total).toBe(plain.total + estimate.snapshots);
    expect(worldSize(split.layout)).toBe(makeSnapshots(split).length);
  },
);

test('of replicas that take steps of their own the copies hold the moments of each, and the outer momentum once', () => {
  const outer = { every: 2, learningRate: 0.7, momentum: 0.9 };
  const split = { ...shape, layout: parseLayout('tp=2,dp=2'), outer };
  const bytes = makeSnapshots(split)
    .flat()
    .reduce((sum, { byteLength }) => sum + byteLength, 0);
  const { vectors } = stateOf(config, settings.layout, coordsOf(settings.layout, 0));
  const weights = 4 * vectors.reduce((sum, { role, size }) => sum + (role === 'parameter' ? size : 0), 0);
  // The weights, two moments of two replicas, the momentum; padded a little where they are cut.
  expect(bytes / weights).toBeGreaterThan(0.999 * 6);
  expect(bytes / weights).toBeLessThan(1.02 * 6);
  expect(withSnapshots(estimateTraining(split), split).snapshots).toBeGreaterThan(bytes);
});
