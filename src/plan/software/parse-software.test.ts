// Software by name is what rows that name it are predicted with, and what is not known is refused with all that is.
import { expect, test } from 'vitest';
import type { Row } from '../accuracy/table.ts';
import { trainingCase } from '../accuracy/training-row.ts';
import { changeOf, parseSoftware, softwareNames, switchNames } from './parse-software.ts';
import { currentSoftware } from './software.ts';

/** Of one run, in these words. */
const softwareOfRow = (words: Row) => {
  const found = trainingCase({
    ...{
      gpu: 'H100',
      num_gpus: '8',
      model: 'llama-3.1-8b',
      seq_len: '4096',
      precision: 'bf16',
      tp: '1',
      pp: '1',
      dp: '8',
    },
    ...{ micro_batch: '1', global_batch: '8', iter_time_s: '1', ...words },
  });
  if (typeof found === 'string') throw new Error(found);
  return found.scenarios[0]!.software;
};

test.each<[string, Row]>([
  ['megatron-lm', { source_group: 'Megatron-Core README' }],
  ['nemo', { source_group: 'NVIDIA NeMo / Megatron-Bridge' }],
  ['nemo,no-overlap', { source_group: 'NVIDIA NeMo / Megatron-Bridge', notes: 'comm overlap disabled' }],
  ['megatron-lm-2021', { source_group: 'Megatron-LM SC21' }],
  ['megatron-deepspeed', { source_group: 'Megatron-DeepSpeed' }],
  ['nanotron', { source_group: 'HF nanotron / Ultra-Scale Playbook' }],
  ['internevo', { source_group: 'InternEvo' }],
  ['torchtitan,compile', { source_group: 'TorchTitan', extra: 'torch.compile', source: 'torchtitan x_2025-06.md' }],
  ['mosaicml', { source_group: 'MosaicML llm-foundry' }],
  ['maxtext', { source_group: 'MaxText TPU' }],
  ['tuned', { source_group: 'our own' }],
  ['torchtitan', { source_group: 'our own', software: 'TorchTitan' }],
])('%s', (name, words) => expect(parseSoftware(name, '')).toEqual(softwareOfRow(words)));

test('every name is software of its own, or what is customary', () => {
  for (const name of softwareNames.slice(1)) expect(changeOf(parseSoftware(name, ''))).not.toEqual({});
  for (const name of switchNames) {
    const changed = ['tuned', ...softwareNames].map((of) => [
      parseSoftware(`${of},${name}`, ''),
      parseSoftware(of, ''),
    ]);
    expect(changed.some(([a, b]) => JSON.stringify(a) !== JSON.stringify(b))).toBe(true);
  }
  expect(changeOf(currentSoftware)).toEqual({});
});

test.each([
  ['vllm', `use one of ${softwareNames.join(', ')}`],
  ['nemo,magic', `after nemo use ${switchNames.join(', ')}`],
])('%s is refused', (text, fix) => expect(() => parseSoftware(text, '--software')).toThrow(fix));
