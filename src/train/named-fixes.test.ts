// What a refusal offers instead is accepted when it is given.
import { expect, test } from 'vitest';
import { FivefoldError } from '../errors.ts';
import type { TrainSettings } from './settings.ts';
import { settle } from './settle.ts';

const tiny: TrainSettings = {
  model: 'llama-tiny',
  set: ['hidden_size=8', 'num_attention_heads=2', 'num_key_value_heads=2', 'intermediate_size=8', 'vocab_size=300'],
  data: ['text.txt'],
  seqLen: 4,
};

const messageOf = (settings: TrainSettings): string | undefined => {
  try {
    settle(settings);
    return undefined;
  } catch (error) {
    if (error instanceof FivefoldError && error.exit === 2) return error.message;
    throw error;
  }
};

/** The numbers that a fix names: `use globalBatch 4 and microBatch 2`. */
function fixIn(message: string): TrainSettings {
  const fix = message.slice(message.lastIndexOf('; use '));
  const named = [...fix.matchAll(/(microBatch|globalBatch) (\d+)/g)].map(([, key, number]) => [key, Number(number)]);
  return Object.fromEntries(named);
}

const batches: readonly (readonly [string, TrainSettings])[] = [
  ['one rank, too many microbatches', { layout: 'tp=1', globalBatch: 1_000_000 }],
  ['a prime number of sequences', { layout: 'tp=1', globalBatch: 999_983 }],
  ['replicas by speed', { layout: 'dp=2', speeds: [1, 2], globalBatch: 1_000_000 }],
  ['replicas by speed, a prime number of sequences', { layout: 'dp=3', speeds: [1, 2, 2], globalBatch: 999_983 }],
  [
    'replicas by speed, of which more than there may be microbatches have hardly any',
    {
      ...{ layout: 'dp=16', speeds: [1, ...Array<number>(15).fill(0.001)], globalBatch: 9973 },
      set: [...tiny.set!, 'num_hidden_layers=600'],
    },
  ],
  ['in stages of two chunks', { layout: 'pp=2,virtual=2', globalBatch: 1_000_000 }],
  ['any layout of ranks of these speeds', { layout: 'auto', speeds: [1, 2], globalBatch: 1_000_000 }],
  ['fewer sequences than replicas', { layout: 'dp=3', speeds: [1, 1, 0.5], globalBatch: 2 }],
  ['fewer than replicas, in microbatches', { layout: 'dp=3', speeds: [1, 1, 0.5], globalBatch: 2, microBatch: 2 }],
  ['any layout of more ranks than sequences', { layout: 'auto', speeds: [1, 1, 0.5, 1, 1, 1, 1], globalBatch: 1 }],
  ['a microbatch that does not divide', { layout: 'dp=2', globalBatch: 12, microBatch: 4 }],
  ['one that does not divide, by speed', { layout: 'dp=2', speeds: [1, 0.5], globalBatch: 9, microBatch: 6 }],
];
test.each(batches)('%s', (_, asked) => {
  const settings = { ...tiny, ...asked };
  const refusal = messageOf(settings);
  expect(refusal).toMatch(/^(microBatch|globalBatch): /);
  const fix = fixIn(refusal!);
  expect(Object.keys(fix), refusal).not.toEqual([]);
  expect(messageOf({ ...settings, ...fix }), refusal).toBeUndefined();
});
