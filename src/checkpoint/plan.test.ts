// Plans: which file holds what, and the names of files.
import { expect, test } from 'vitest';
import { parseHeader } from './header.ts';
import { fileName, isStepFile, planCheckpoint, saveTag, type TensorSpec } from './plan.ts';

const spec = (name: string, count: number, dtype: 'F32' | 'F64' = 'F32'): TensorSpec => ({
  name,
  shape: [count],
  dtype,
});

test('files are filled up to the limit, and only a larger tensor goes over it', () => {
  const plan = planCheckpoint({
    tensors: [spec('a', 10), spec('b', 10), spec('huge', 100), spec('c', 5)],
    optimizer: [spec('a.m', 10), spec('b.m', 10)],
    maxFileBytes: 80,
  });
  expect([...plan.tensors.values()].map(({ name, file }) => `${name}:${file}`).join(' ')).toBe(
    'a:0 b:0 huge:1 c:2 a.m:3 b.m:3',
  );
  expect(plan.files.map((file) => fileName(file, 'step000012'))).toEqual([
    'model-step000012-00001-of-00003.safetensors',
    'model-step000012-00002-of-00003.safetensors',
    'model-step000012-00003-of-00003.safetensors',
    'optimizer-step000012.safetensors',
  ]);
});

test('positions are those of the headers, with wide numbers first', () => {
  const plan = planCheckpoint({ tensors: [spec('a', 3), spec('b', 2, 'F64'), spec('c', 4)] });
  expect(plan.files.length).toBe(1);
  const { header, bytes } = plan.files[0]!;
  const parsed = parseHeader('planned', Buffer.from(header.subarray(8)), bytes);
  expect([...parsed.keys()]).toEqual(['b', 'a', 'c']);
  for (const { name, begin } of plan.tensors.values()) expect(begin).toBe(parsed.get(name)!.begin);
});

test('a step saved again takes another name, in turn', () => {
  const [file] = planCheckpoint({ tensors: [spec('a', 1)] }).files;
  const first = saveTag(7, []);
  const second = saveTag(7, [fileName(file!, first)]);
  expect(second).not.toBe(first);
  expect(saveTag(7, [fileName(file!, second)])).toBe(first);
  expect(saveTag(70, [fileName(file!, first)])).toBe('step000070');
  for (const tag of [first, second, saveTag(12345678, [])]) expect(isStepFile(fileName(file!, tag))).toBe(true);
});

test('files that no save made are not taken for one', () => {
  for (const name of ['model.safetensors', 'model-00001-of-00002.safetensors', 'step000001', 'model-step000001.pt']) {
    expect(isStepFile(name)).toBe(false);
  }
});

test('a name used twice is refused', () => {
  expect(() => planCheckpoint({ tensors: [spec('a', 1)], optimizer: [spec('a', 1)] })).toThrow(
    'two tensors are called a',
  );
});
