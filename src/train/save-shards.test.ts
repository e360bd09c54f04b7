// What is saved of one rank's memory: nothing that could not be read again, and never without a sign of life.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { aloneTransport } from '../../test/alone-transport.ts';
import { claimOut } from '../checkpoint/claim.ts';
import { heldNumbers } from '../checkpoint/held-numbers.ts';
import { openOptimizer } from '../checkpoint/hf-directory.ts';
import { FivefoldError } from '../errors.ts';
import { oneRank } from '../mesh/layout.ts';
import { coordsOf } from '../mesh/mesh.ts';
import { parseModelConfig } from '../model/families.ts';
import { presets } from '../model/presets.ts';
import { allocateMemory } from '../runtime/memory.ts';
import type { StateRole } from '../state/vectors.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { saveCheckpoint } from './save-shards.ts';

const out = mkdtempSync(join(tmpdir(), 'fivefold-save-shards-'));
const { token: claim, release } = claimOut(out);
afterAll(() => {
  release();
  rmSync(out, { recursive: true });
});

const config = parseModelConfig(presets['llama-tiny'], 'llama-tiny');
const settings = {
  ...{ config, layout: oneRank, seqLen: 8, microBatch: 1, microbatches: 1 },
  precision: 'f32',
} as const;
const step = buildTrainingStep(settings, 0);
const memory = allocateMemory([step], (bytes) => new Uint8Array(bytes)).state;
const held = (role: StateRole) => heldNumbers(step.state, role, memory, oneRank, coordsOf(oneRank, 0));
const save = { out, claim, every: 0, config: '{}', manifest: {} };

test('a weight or a moment that is no number is not saved: nothing could go on from it', () => {
  const piece = (role: StateRole) => held(role)[3]!;
  const { spec } = piece('parameter');
  for (const [role, what] of [
    ['parameter', 'weights'],
    ['firstMoment', 'moments'],
    ['secondMoment', 'moments'],
  ] as const) {
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
      piece(role).numbers[5] = wrong;
      const act = () => saveCheckpoint(aloneTransport(), memory, step.state, settings, save, 1);
      expect(act).toThrow(FivefoldError);
      expect(act).toThrow(`step 1 ended with ${what} of ${spec.name} that are not numbers`);
    }
    piece(role).numbers[5] = 0;
  }
  expect(readdirSync(out)).toEqual(['.fivefold-lock']);
  // Large ones are numbers, though their squares are past what f32 holds.
  piece('secondMoment').numbers[5] = 3e38;
  saveCheckpoint(aloneTransport(), memory, step.state, settings, save, 1);
  const state = openOptimizer(out);
  const moment = new Float32Array(6);
  state.read(
    `${spec.tensor.name}.exp_avg_sq`,
    [
      [0, 1],
      [0, 6],
    ].slice(-spec.tensor.shape.length) as [[number, number]],
    moment,
  );
  state.close();
  expect([...moment]).toEqual([0, 0, 0, 0, 0, Math.fround(3e38)]);
});

test('every tensor is a sign of life that says where the save is', () => {
  const sites: string[] = [];
  const transport = { ...aloneTransport(), heartbeat: (site: string) => sites.push(site) };
  saveCheckpoint(transport, memory, step.state, settings, save, 2);
  expect(sites).toEqual(expect.arrayContaining(held('parameter').map(({ spec }) => `saving ${spec.name}`)));
  // Before what may take long at the end: flushing the two files and the two texts.
  expect(sites.filter((site) => site === 'save commits').length).toBe(3);
});
