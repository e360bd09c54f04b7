// Saving: shards of many writers, what is committed when, what is kept and removed, and what cannot be written.
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { beginSave, commitSave, readManifest } from './commit.ts';
import { openCheckpoint, openOptimizer } from './hf-directory.ts';
import { checkOut } from './out-directory.ts';
import { type CheckpointPlan, fileName, planCheckpoint, type TensorSpec } from './plan.ts';
import { elementsOf, forEachRun, fullRanges, type Range, rangeElements } from './ranges.ts';
import { openWriter } from './writer.ts';

function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), 'fivefold-save-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

/** The numbers of a tensor in a step: all different, so that one in a wrong place shows. */
const valuesOf = ({ shape }: TensorSpec, step: number) =>
  Float64Array.from({ length: elementsOf(shape) }, (_, i) => step * 1000 + i);

function slice(values: Float64Array, shape: readonly number[], ranges: readonly Range[]): Float64Array {
  const out = new Float64Array(rangeElements(ranges));
  forEachRun(shape, ranges, (start, at, count) => out.set(values.subarray(start, start + count), at));
  return out;
}

/** Splits every dim into `ways` ranges, uneven where it must be: all blocks together are the tensor. */
function blocks(shape: readonly number[], ways: number): Range[][] {
  return shape.reduce<Range[][]>(
    (all, size) =>
      all.flatMap((ranges) =>
        Array.from({ length: ways }, (_, i): Range[] => [
          ...ranges,
          [Math.floor((i * size) / ways), Math.floor(((i + 1) * size) / ways)],
        ]),
      ),
    [[]],
  );
}

function write(out: string, plan: CheckpointPlan, step: number, ways: number): void {
  beginSave(out, plan, step);
  const writers = Array.from({ length: ways }, () => openWriter(out, plan, step));
  for (const tensor of plan.tensors.values()) {
    for (const [i, ranges] of blocks(tensor.shape, ways).entries()) {
      const data = slice(valuesOf(tensor, step), tensor.shape, ranges);
      writers[i % ways]!.writeSlice(
        tensor.name,
        ranges,
        tensor.dtype === 'F32' && i % 2 ? Float32Array.from(data) : data,
      );
    }
  }
  for (const writer of writers) writer.finish();
}

function save(out: string, plan: CheckpointPlan, step: number, ways = 1): void {
  write(out, plan, step, ways);
  commitSave(out, plan, step, { config: '{"model_type":"llama"}', manifest: { step } });
}

/** Checks that `out` holds exactly this step: every number, the manifest, and no file besides. */
function expectStep(out: string, plan: CheckpointPlan, step: number): void {
  expect(readManifest(out)).toEqual({ step });
  const optimizer = plan.files.some(({ kind }) => kind === 'optimizer') ? [openOptimizer(out)] : [];
  const opened = [openCheckpoint(out), ...optimizer];
  for (const tensor of plan.tensors.values()) {
    const values = new Float64Array(elementsOf(tensor.shape));
    opened.find(({ tensors }) => tensors.has(tensor.name))!.read(tensor.name, fullRanges(tensor.shape), values);
    expect(values).toEqual(valuesOf(tensor, step));
  }
  for (const checkpoint of opened) checkpoint.close();
  expect(readdirSync(out).filter((name) => name.endsWith('.safetensors')).length).toBe(plan.files.length);
  expect(readdirSync(out).filter((name) => name.endsWith('.partial'))).toEqual([]);
}

const tensors: TensorSpec[] = [
  { name: 'model.embed.weight', shape: [10, 6], dtype: 'F32' },
  { name: 'model.norm.weight', shape: [7], dtype: 'F32' },
  { name: 'model.expert.weight', shape: [3, 5, 4], dtype: 'F64' },
  { name: 'model.scale', shape: [], dtype: 'F32' },
];
const optimizer = tensors.map((spec) => ({ ...spec, name: `${spec.name}.m` }));
const plan = planCheckpoint({ tensors, optimizer, maxFileBytes: 300 });

test('weights and optimizer state come back, from one writer and from many', () => {
  for (const ways of [1, 2, 3]) {
    const out = join(temporary(), 'new', 'run');
    save(out, plan, 5, ways);
    expectStep(out, plan, 5);
    expect(readFileSync(join(out, 'config.json'), 'utf8')).toBe('{"model_type":"llama"}');
  }
});

test('any disjoint shards of any tensor make the tensor', () => {
  const shapes = fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 4 });
  fc.assert(
    fc.property(shapes, fc.constantFrom('F32', 'F64'), fc.integer({ min: 1, max: 4 }), (shape, dtype, ways) => {
      const out = mkdtempSync(join(tmpdir(), 'fivefold-save-'));
      const one = planCheckpoint({ tensors: [{ name: 'x', shape, dtype }] });
      save(out, one, 1, ways);
      expectStep(out, one, 1);
      rmSync(out, { recursive: true });
    }),
    { numRuns: 50 },
  );
});

test('each save replaces the one before, also of the same step again and again', () => {
  const out = temporary();
  for (const step of [1, 2, 2, 2, 3]) {
    save(out, plan, step, 2);
    expectStep(out, plan, step);
  }
});

test('until the commit the last step stays, and what was cut off goes with the next save', () => {
  const out = temporary();
  save(out, plan, 1);
  const committed = readdirSync(out);
  write(out, plan, 2, 2);
  write(out, plan, 1, 2);
  expect(readdirSync(out).length).toBe(committed.length + plan.files.length);
  expect(readManifest(out)).toEqual({ step: 1 });
  const checkpoint = openCheckpoint(out);
  const values = new Float64Array(60);
  checkpoint.read('model.embed.weight', fullRanges([10, 6]), values);
  checkpoint.close();
  expect(values).toEqual(valuesOf(tensors[0]!, 1));
  save(out, plan, 3);
  expectStep(out, plan, 3);
});

test('a first save cut off before its commit leaves no run, and its texts are not kept for the next', () => {
  const out = temporary();
  write(out, plan, 1, 1);
  writeFileSync(join(out, 'config.json'), 'of the run that was cut off');
  checkOut(out);
  save(out, plan, 1);
  expectStep(out, plan, 1);
  expect(readFileSync(join(out, 'config.json'), 'utf8')).toBe('{"model_type":"llama"}');
});

test('the tokenizer is copied, and files of others stay', () => {
  const out = temporary();
  const tokenizerPath = join(temporary(), 'tok.json');
  writeFileSync(tokenizerPath, '{"version":"1.0"}');
  writeFileSync(join(out, 'notes.txt'), 'mine');
  for (const step of [1, 2]) {
    write(out, plan, step, 1);
    commitSave(out, plan, step, {
      config: '{}',
      manifest: { step },
      tokenizerPath: step === 1 ? tokenizerPath : join(out, 'tokenizer.json'),
    });
  }
  expectStep(out, plan, 2);
  expect(readFileSync(join(out, 'tokenizer.json'), 'utf8')).toBe('{"version":"1.0"}');
  expect(readFileSync(join(out, 'notes.txt'), 'utf8')).toBe('mine');
  write(out, plan, 3, 1);
  const noTokenizer = { config: '{}', manifest: {}, tokenizerPath: join(out, 'none') };
  expect(() => commitSave(out, plan, 3, noTokenizer)).toThrow(`no checkpoint at ${join(out, 'none')}`);
  expect(readManifest(out)).toEqual({ step: 2 });
});

test('an optimizer is optional', () => {
  const out = temporary();
  const weightsOnly = planCheckpoint({ tensors });
  save(out, weightsOnly, 1);
  expectStep(out, weightsOnly, 1);
  expect(() => openOptimizer(out)).toThrow('it holds weights but no optimizer state');
});

test('a slice that is not planned is refused, and a given-up save leaves the last step', () => {
  const out = temporary();
  save(out, plan, 1);
  beginSave(out, plan, 2);
  const writer = openWriter(out, plan, 2);
  expect(() => writer.writeSlice('other', [], Float32Array.of(1))).toThrow('tensor other: it is not in the plan');
  expect(() => writer.writeSlice('model.norm.weight', [[0, 8]], new Float32Array(8))).toThrow(
    '[0,8) is not within [0,7)',
  );
  expect(() => writer.writeSlice('model.norm.weight', [[0, 2]], new Float32Array(3))).toThrow(
    'of 2 numbers was given 3',
  );
  writer.writeSlice('model.norm.weight', [[0, 2]], new Float32Array(2));
  writer.abandon();
  expect(readManifest(out)).toEqual({ step: 1 });
});

test('what the system refuses ends with OUT_UNWRITABLE', () => {
  const out = temporary();
  const file = join(out, 'file');
  writeFileSync(file, '');
  expect(() => beginSave(file, plan, 1)).toThrow(`cannot write to ${file}: a file of that name is in the way`);
  expect(() => beginSave(join(file, 'run'), plan, 1)).toThrow('a part of the path is a file');
  const writer = openWriter(out, plan, 1);
  expect(() => writer.writeSlice('model.scale', [], Float32Array.of(1))).toThrow(
    `cannot write to ${out}: it does not exist`,
  );
});

test.runIf(process.platform === 'linux')(
  'a disk that is full ends with OUT_UNWRITABLE, and the last step stays',
  () => {
    const out = temporary();
    save(out, plan, 1);
    beginSave(out, plan, 2);
    for (const file of plan.files) {
      const path = join(out, fileName(file, 'step000002'));
      rmSync(path);
      symlinkSync('/dev/full', path);
    }
    const writer = openWriter(out, plan, 2);
    const write = () => writer.writeSlice('model.scale', [], Float32Array.of(1));
    expect(write).toThrow(`cannot write to ${out}: no space is left on the device`);
    writer.abandon();
    expect(readManifest(out)).toEqual({ step: 1 });
    save(out, plan, 2);
    expectStep(out, plan, 2);
  },
);
