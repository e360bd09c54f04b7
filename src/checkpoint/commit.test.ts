// Saving: shards of many writers, what is committed when, what is kept and removed, and what cannot be written.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { fullRanges } from '../../test/full-ranges.ts';
import { elements } from '../program/program.ts';
import { claimOut } from './claim.ts';
import { beginSave, commitSave, readManifest } from './commit.ts';
import { everyPiece } from './files.ts';
import { openCheckpoint, openOptimizer } from './hf-directory.ts';
import { keptSteps } from './keep.ts';
import { checkOut } from './out-directory.ts';
import { type CheckpointPlan, planCheckpoint, type TensorSpec } from './plan.ts';
import { forEachRun, type Range, rangeElements } from './ranges.ts';
import { openWriter } from './writer.ts';

function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), 'fivefold-save-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

/** The token of this process's claim to a directory. */
function claimOf(out: string): string {
  const path = join(out, '.fivefold-lock');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).token : claimOut(out).token;
}

/** The numbers of a tensor in a step: all different, so that one in a wrong place shows. */
const valuesOf = ({ shape }: TensorSpec, step: number) =>
  Float64Array.from({ length: elements(shape) }, (_, i) => step * 1000 + i);

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
  beginSave(out, plan, step, claimOf(out));
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

function save(
  out: string,
  plan: CheckpointPlan,
  step: number,
  ways = 1,
  options: { readonly keepLast?: number } = {},
): void {
  write(out, plan, step, ways);
  commitSave(out, plan, step, {
    claim: claimOf(out),
    config: '{"model_type":"llama"}',
    manifest: { step },
    ...options,
  });
}

/** Checks that `out` holds exactly this step: every number, the manifest, and no file besides. */
function expectStep(out: string, plan: CheckpointPlan, step: number): void {
  expect(readManifest(out)).toEqual({ step });
  const optimizer = plan.files.some(({ kind }) => kind === 'optimizer') ? [openOptimizer(out)] : [];
  const opened = [openCheckpoint(out), ...optimizer];
  for (const tensor of plan.tensors.values()) {
    const values = new Float64Array(elements(tensor.shape));
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
  rmSync(join(out, '.fivefold-lock'));
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
      claim: claimOf(out),
      config: '{}',
      manifest: { step },
      tokenizerPath: step === 1 ? tokenizerPath : join(out, 'tokenizer.json'),
    });
  }
  expectStep(out, plan, 2);
  expect(readFileSync(join(out, 'tokenizer.json'), 'utf8')).toBe('{"version":"1.0"}');
  expect(readFileSync(join(out, 'notes.txt'), 'utf8')).toBe('mine');
  write(out, plan, 3, 1);
  const noTokenizer = { claim: claimOf(out), config: '{}', manifest: {}, tokenizerPath: join(out, 'none') };
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
  beginSave(out, plan, 2, claimOf(out));
  const writing = (name: string, ranges: Range[], count: number) => () =>
    openWriter(out, plan, 2).writeSlice(name, ranges, new Float32Array(count));
  expect(writing('other', [], 1)).toThrow('tensor other: it is not in the plan');
  expect(writing('model.norm.weight', [[0, 8]], 8)).toThrow('[0,8) is not within [0,7)');
  expect(writing('model.norm.weight', [[0, 2]], 3)).toThrow('of 2 numbers was given 3');
  expect(readManifest(out)).toEqual({ step: 1 });
});

test('a directory that is removed, or taken by another run, in mid-run is no place to save into', () => {
  const out = join(temporary(), 'run');
  const { token } = claimOut(out);
  rmSync(out, { recursive: true });
  const begin = () => beginSave(out, plan, 2, token);
  expect(begin).toThrow(
    `step 2 could not be saved in ${out}: the directory was removed while the run went on; no step before it is there`,
  );
  // Nor is it made anew.
  expect(existsSync(out)).toBe(false);
  save(out, plan, 1);
  expect(begin).toThrow('another run has taken the directory over while the run went on; step 1 there is whole');
  write(out, plan, 3, 1);
  const commit = () => commitSave(out, plan, 3, { claim: token, config: '{}', manifest: { step: 3 } });
  expect(commit).toThrow('another run has taken the directory over');
  expect(readManifest(out)).toEqual({ step: 1 });
});

test('what goes wrong in mid-run has exit status 1: not even an index that somebody spoils says that nothing was done', () => {
  const out = temporary();
  save(out, plan, 1);
  writeFileSync(join(out, 'model.safetensors.index.json'), '{');
  try {
    beginSave(out, plan, 2, claimOf(out));
    expect.unreachable();
  } catch (error) {
    expect(error).toMatchObject({ code: 'SAVE_FAILED', exit: 1 });
    expect((error as Error).message).toContain('index.json is broken: it is not JSON');
  }
});

test('the last few steps stay, each a checkpoint of its own that takes no space of its own', () => {
  const out = temporary();
  for (const step of [1, 2, 2, 3, 4, 5]) {
    save(out, plan, step, 2, { keepLast: 3 });
    expectStep(out, plan, step);
    const kept = keptSteps(out);
    expect(kept.map((each) => each.step)).toEqual([step - 2, step - 1].filter((earlier) => earlier >= 1));
    for (const { step: earlier, path } of kept) {
      expectStep(path, plan, earlier);
      expect(readFileSync(join(path, 'config.json'), 'utf8')).toBe('{"model_type":"llama"}');
    }
  }
  const [file] = readdirSync(join(out, 'checkpoints', 'step-000004')).filter((name) => name.startsWith('model-'));
  expect(statSync(join(out, 'checkpoints', 'step-000004', file!)).nlink).toBe(1);

  // Nobody asks for fewer: what is kept stays. Somebody does: it goes.
  save(out, plan, 6);
  expect(keptSteps(out).map(({ step }) => step)).toEqual([3, 4]);
  save(out, plan, 7, 1, { keepLast: 1 });
  expect(keptSteps(out)).toEqual([]);
});

test('a step that was only half kept, or half removed, goes with the next save', () => {
  const out = temporary();
  save(out, plan, 1);
  for (const name of ['step-000001.partial', 'step-000000.partial']) {
    mkdirSync(join(out, 'checkpoints', name), { recursive: true });
    writeFileSync(join(out, 'checkpoints', name, 'config.json'), '{}');
  }
  save(out, plan, 2, 1, { keepLast: 2 });
  expect(readdirSync(join(out, 'checkpoints'))).toEqual(['step-000001']);
  expectStep(join(out, 'checkpoints', 'step-000001'), plan, 1);
});

test('the type that config.json names is that of the last saved weights', () => {
  const out = temporary();
  for (const [step, dtype] of [
    [1, 'float32'],
    [2, 'bfloat16'],
  ] as const) {
    write(out, plan, step, 1);
    commitSave(out, plan, step, { claim: claimOf(out), config: JSON.stringify({ dtype }), manifest: { step } });
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toEqual({ dtype });
  }
});

test('long work is heard of: every 64 MB, every file that is flushed', () => {
  const out = temporary();
  const heavy = planCheckpoint({ tensors: [{ name: 'x', shape: [17, 1_000_000], dtype: 'F32' }] });
  beginSave(out, heavy, 1, claimOf(out));
  let beats = 0;
  const beat = () => {
    beats++;
  };
  const writer = openWriter(out, heavy, 1, beat);
  writer.writeSlice(
    'x',
    [
      [0, 17],
      [0, 1_000_000],
    ],
    new Float32Array(17e6),
  );
  expect(beats).toBe(1);
  writer.finish();
  expect(beats).toBe(2);
  commitSave(out, heavy, 1, { claim: claimOf(out), config: '{}', manifest: { step: 1 }, onPiece: beat });
  expect(beats).toBe(4);
  const checkpoint = openCheckpoint(out);
  const onMoved = everyPiece(beat);
  checkpoint.read('x', fullRanges([17, 1_000_000]), new Float32Array(17e6), onMoved);
  checkpoint.close();
  expect(beats).toBe(5);
});

test('before the run begins, what the system refuses is bad input', () => {
  const out = temporary();
  const file = join(out, 'file');
  writeFileSync(file, '');
  expect(() => claimOut(file)).toThrow(`cannot write to ${file}: a file of that name is in the way`);
  expect(() => claimOut(join(file, 'run'))).toThrow('a part of the path is a file');
});
