// Opening checkpoints: a single file, a directory with one or with several, and everything that can be missing.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import { FivefoldError } from '../errors.ts';
import { bytesUnder } from './files.ts';
import { encodeHeader } from './header.ts';
import { identityOf, openCheckpoint, openOptimizer } from './hf-directory.ts';

const root = temporaryFolder('hf');

let directories = 0;
function directory(files: Readonly<Record<string, string | Uint8Array>>): string {
  const path = join(root, String(directories++));
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  return path;
}

/** A file with one-dimensional F32 tensors. */
function weights(tensors: Readonly<Record<string, readonly number[]>>): Uint8Array {
  const entries = Object.entries(tensors);
  const specs = entries.map(([name, values]) => ({ name, dtype: 'F32' as const, shape: [values.length] }));
  return Buffer.concat([encodeHeader(specs), ...entries.map(([, values]) => bytesUnder(Float32Array.from(values)))]);
}

const index = (weightMap: object, metadata: object = {}) => JSON.stringify({ metadata, weight_map: weightMap });

function readAll(path: string, name: string, count: number): number[] {
  const checkpoint = openCheckpoint(path);
  const out = new Float32Array(count);
  checkpoint.read(name, [[0, count]], out);
  checkpoint.close();
  return [...out];
}

function errorOf(act: () => unknown): string {
  try {
    act();
    return 'no error';
  } catch (error) {
    if (!(error instanceof FivefoldError)) throw error;
    return `${error.code}: ${error.message.replaceAll(root, '')}`;
  }
}

test('a single file, and a directory with one, with the texts beside it', () => {
  const path = directory({ 'model.safetensors': weights({ a: [1, 2, 3] }), 'config.json': '{}' });
  for (const given of [path, join(path, 'model.safetensors')]) {
    const checkpoint = openCheckpoint(given);
    expect(checkpoint.configPath).toBe(join(path, 'config.json'));
    expect(checkpoint.tokenizerPath).toBeUndefined();
    expect(checkpoint.manifest).toBeUndefined();
    expect([...checkpoint.tensors]).toEqual([
      ['a', { dtype: 'F32', shape: [3], file: join(path, 'model.safetensors') }],
    ]);
    const out = new Float64Array(2);
    let bytesRead = 0;
    checkpoint.read('a', [[1, 3]], out, (bytes) => {
      bytesRead += bytes;
    });
    expect([...out]).toEqual([2, 3]);
    expect(bytesRead).toBe(8);
    checkpoint.close();
  }
});

test('an index over several files wins over model.safetensors', () => {
  const path = directory({
    'model.safetensors': weights({ a: [9] }),
    'model-00001-of-00002.safetensors': weights({ a: [1], unlisted: [5] }),
    'model-00002-of-00002.safetensors': weights({ b: [2, 3] }),
    'model.safetensors.index.json': index({
      a: 'model-00001-of-00002.safetensors',
      b: 'model-00002-of-00002.safetensors',
    }),
  });
  expect(readAll(path, 'a', 1)).toEqual([1]);
  expect(readAll(path, 'b', 2)).toEqual([2, 3]);
  expect(errorOf(() => readAll(path, 'unlisted', 1))).toContain('it has no tensor unlisted');
});

test('one name finds a tensor whichever class saved it, and an exact name comes first', () => {
  const bare = directory({ 'model.safetensors': weights({ 'h.0.ln_1.weight': [1], 'wte.weight': [2] }) });
  const prefixed = directory({
    'model.safetensors': weights({ 'transformer.h.0.ln_1.weight': [3], 'lm_head.weight': [4] }),
  });
  const both = directory({ 'model.safetensors': weights({ 'model.norm.weight': [5], 'norm.weight': [6] }) });
  expect(readAll(bare, 'transformer.h.0.ln_1.weight', 1)).toEqual([1]);
  expect(readAll(prefixed, 'transformer.h.0.ln_1.weight', 1)).toEqual([3]);
  expect(readAll(prefixed, 'h.0.ln_1.weight', 1)).toEqual([3]);
  expect(readAll(prefixed, 'lm_head.weight', 1)).toEqual([4]);
  expect(readAll(both, 'norm.weight', 1)).toEqual([6]);
  expect(readAll(both, 'model.norm.weight', 1)).toEqual([5]);

  const checkpoint = openCheckpoint(bare);
  expect(checkpoint.has('model.wte.weight')).toBe(true);
  expect(checkpoint.find('model.wte.weight')?.shape).toEqual([1]);
  expect(checkpoint.has('lm_head.weight')).toBe(false);
  expect(checkpoint.find('lm_head.weight')).toBeUndefined();
  checkpoint.close();
});

test('what is missing or broken is named, with what to do', () => {
  const empty = directory({ 'config.json': '{}' });
  const shard = 'model-00001-of-00002.safetensors';
  const indexName = 'model.safetensors.index.json';
  const messages = [
    errorOf(() => openCheckpoint(join(root, 'nowhere'))),
    errorOf(() => openCheckpoint(join(empty, 'config.json', 'x'))),
    errorOf(() => openCheckpoint(join(empty, 'config.json'))),
    errorOf(() => openCheckpoint(empty)),
    errorOf(() =>
      openCheckpoint(directory({ [indexName]: index({ a: shard, b: 'b.safetensors' }), [shard]: weights({ a: [1] }) })),
    ),
    errorOf(() => openCheckpoint(directory({ [indexName]: index({ b: shard }), [shard]: weights({ a: [1] }) }))),
    errorOf(() => openCheckpoint(directory({ [indexName]: index({ a: '../0/model.safetensors' }) }))),
    errorOf(() => openCheckpoint(directory({ [indexName]: '{"weight_map"' }))),
    errorOf(() => openCheckpoint(directory({ [indexName]: '[]' }))),
    errorOf(() =>
      openCheckpoint(directory({ [indexName]: index({ a: shard }), [shard]: weights({ a: [1] }).subarray(0, -1) })),
    ),
    errorOf(() => openOptimizer(directory({ 'model.safetensors': weights({ a: [1] }) }))),
  ];
  expect(messages.join('\n')).toMatchInlineSnapshot(`
    "CHECKPOINT_MISSING: no checkpoint at /nowhere: it does not exist; give a Hugging Face model directory or a .safetensors file
    CHECKPOINT_MISSING: no checkpoint at /5/config.json/x: a part of the path is a file, not a directory; give a Hugging Face model directory or a .safetensors file
    CHECKPOINT_BROKEN: checkpoint /5/config.json is broken: its 2 bytes are too few for a safetensors file; copy or download the file again
    CHECKPOINT_MISSING: no checkpoint at /5: the directory has neither model.safetensors.index.json nor model.safetensors; give a directory with .safetensors weights
    CHECKPOINT_MISSING: no checkpoint at /6: model.safetensors.index.json lists b.safetensors, which does not exist (1 of 2 files absent); copy or download the missing files
    CHECKPOINT_BROKEN: checkpoint /7/model.safetensors.index.json is broken: it says model-00001-of-00002.safetensors holds b, and it does not; copy or download the file again
    CHECKPOINT_BROKEN: checkpoint /8/model.safetensors.index.json is broken: weight_map.a: a file name without a directory is needed; copy or download the file again
    CHECKPOINT_BROKEN: checkpoint /9/model.safetensors.index.json is broken: it is not JSON; copy or download the file again
    CHECKPOINT_BROKEN: checkpoint /10/model.safetensors.index.json is broken: the file: Invalid input: expected object, received array; copy or download the file again
    CHECKPOINT_BROKEN: checkpoint /11/model-00001-of-00002.safetensors is broken: truncated: tensor a ends at byte 100, the file has 99; copy or download the file again
    CHECKPOINT_MISSING: no checkpoint at /12: it holds weights but no optimizer state; start a new run from its weights with model"
  `);
});

test('a checkpoint that another has taken the place of is not read for it', () => {
  const indexName = 'model.safetensors.index.json';
  const path = directory({ 'a.safetensors': weights({ a: [1] }), [indexName]: index({ a: 'a.safetensors' }) });
  const identity = identityOf(path);
  openCheckpoint(path, identity).close();
  writeFileSync(join(path, 'b.safetensors'), weights({ a: [2] }));
  writeFileSync(join(path, indexName), index({ a: 'b.safetensors' }, { optimizer: ['b.safetensors'] }));
  const problem = 'another step or model has taken its place while it was being read';
  expect(errorOf(() => openCheckpoint(path, identity))).toContain(problem);
  expect(errorOf(() => openOptimizer(path, identity))).toContain(problem);
  openOptimizer(path, identityOf(path)).close();

  const single = directory({ 'model.safetensors': weights({ a: [1] }) });
  for (const given of [single, join(single, 'model.safetensors')]) {
    const before = identityOf(given);
    openCheckpoint(given, before).close();
    writeFileSync(join(single, 'model.safetensors'), weights({ a: [1, 2], [given.length]: [3] }));
    expect(errorOf(() => openCheckpoint(given, before))).toContain(problem);
  }
});
