// Nothing from outside is trusted: a checkpoint damaged in any way is read with finite numbers or refused in one line, soon.
import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { mutateCheckpoint, tryCheckpoint } from '../../test/mutate-checkpoint.ts';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import { FivefoldError } from '../errors.ts';
import { claimOut } from './claim.ts';
import { beginSave, commitSave, readManifest } from './commit.ts';
import { encodeHeader, parseHeader } from './header.ts';
import { openCheckpoint, openOptimizer } from './hf-directory.ts';
import { planCheckpoint } from './plan.ts';
import { openWriter } from './writer.ts';

const root = temporaryFolder('damage');

/** As a run's settings are: what reads a manifest says what may stand in it. */
const settings = z.strictObject({
  step: z.number().int().nonnegative(),
  seqLen: z.number().int().positive(),
  learningRate: z.number().positive(),
  precision: z.enum(['f32', 'f64']),
  seed: z
    .number()
    .int()
    .nonnegative()
    .max(2 ** 21 - 1),
  optimizer: z.strictObject({ beta1: z.number().min(0).lt(1) }),
});
const manifest = { step: 3, seqLen: 16, learningRate: 0.1, precision: 'f32', seed: 5, optimizer: { beta1: 0.9 } };

/** A checkpoint of a few tensors in two files and an optimizer. */
function makeCheckpoint(): string {
  const out = join(root, 'whole');
  const tensors = [
    { name: 'embed.weight', shape: [6, 4], dtype: 'BF16' as const },
    { name: 'norm.weight', shape: [4], dtype: 'F32' as const },
    { name: 'scale', shape: [], dtype: 'F64' as const },
  ];
  const optimizer = tensors.map((spec) => ({ ...spec, name: `${spec.name}.exp_avg`, dtype: 'F32' as const }));
  const plan = planCheckpoint({ tensors, optimizer, maxFileBytes: 64 });
  const { token: claim, release } = claimOut(out);
  beginSave(out, plan, 3, claim);
  const writer = openWriter(out, plan, 3);
  for (const { name, shape } of plan.tensors.values()) {
    const data = Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, i) => i - 2);
    writer.writeSlice(
      name,
      shape.map((size) => [0, size]),
      data,
    );
  }
  writer.finish();
  commitSave(out, plan, 3, { claim, config: '{}', manifest });
  release();
  return out;
}

const whole = makeCheckpoint();

test('600 damaged checkpoints are each read with finite numbers or refused in one line', () => {
  expect(tryCheckpoint(whole, settings).outcome).toBe('read');
  const outcomes = { read: 0, refused: 0 };
  const directory = join(root, 'damaged');
  cpSync(whole, directory, { recursive: true });
  for (let seed = 1; seed <= 600; seed++) {
    const { name, change } = mutateCheckpoint(directory, seed);
    try {
      const { outcome, seconds } = tryCheckpoint(directory, settings);
      outcomes[outcome === 'read' ? 'read' : 'refused']++;
      expect(seconds).toBeLessThan(10);
    } catch (error) {
      throw new Error(`seed ${seed}, ${name}: ${change}`, { cause: error });
    }
    rmSync(join(directory, name), { force: true });
    copyFileSync(join(whole, name), join(directory, name));
  }
  // Some damage is none: other whitespace, another finite number, config.json, which is not read here.
  expect(outcomes.refused).toBeGreaterThan(300);
  expect(outcomes.read).toBeGreaterThan(50);
});

const refusal = (act: () => unknown): string => {
  try {
    act();
    return 'read';
  } catch (error) {
    if (!(error instanceof FivefoldError)) throw error;
    expect(error.exit).toBe(2);
    return `${error.code}: ${error.message.replaceAll(root, '')}`;
  }
};

let directories = 0;
/** A directory whose index notes this. */
function noted(notes: unknown): string {
  const path = join(root, `noted-${directories++}`);
  mkdirSync(path);
  const text = typeof notes === 'string' ? notes : JSON.stringify(notes);
  writeFileSync(
    join(path, 'model.safetensors.index.json'),
    JSON.stringify({ metadata: { fivefold: text }, weight_map: {} }),
  );
  return path;
}

test('what a run notes is read by the schema of whoever asks, and every violation names its field', () => {
  expect(readManifest(noted({ ...manifest, version: 1 }), settings)).toEqual(manifest);
  expect(readManifest(noted(manifest), settings)).toEqual(manifest);
  const messages = [
    { step: -1 },
    { seqLen: 16.5 },
    { learningRate: -1 },
    { learningRate: '0.1' },
    { precision: 'f16' },
    { seed: 2 ** 21 },
    { optimizer: { beta1: 1 } },
    { optimizer: { beta1: 0.9, beta3: 0 } },
    { dropout: 0.1 },
    { version: 2 },
    { version: 0 },
    { version: 'one' },
    { step: undefined },
  ].map((wrong) => refusal(() => readManifest(noted({ ...manifest, ...wrong }), settings)));
  messages.push(refusal(() => readManifest(noted('{"step": 1, "step": 2}'))));
  messages.push(refusal(() => readManifest(noted('{"__proto__": {"step": 2}}'))));
  messages.push(refusal(() => readManifest(noted('[]'))));
  messages.push(refusal(() => readManifest(noted('{'))));
  expect(
    messages
      .map((message) =>
        message.replace(/^CHECKPOINT_BROKEN: checkpoint .*json is broken: /, '').replace(/; copy or download.*/, ''),
      )
      .join('\n'),
  ).toMatchInlineSnapshot(`
    "metadata.fivefold: step: Too small: expected number to be >=0
    metadata.fivefold: seqLen: Invalid input: expected int, received number
    metadata.fivefold: learningRate: Too small: expected number to be >0
    metadata.fivefold: learningRate: Invalid input: expected number, received string
    metadata.fivefold: precision: Invalid option: expected one of "f32"|"f64"
    metadata.fivefold: seed: Too big: expected number to be <=2097151
    metadata.fivefold: optimizer.beta1: Too big: expected number to be <1
    metadata.fivefold: optimizer: Unrecognized key: "beta3"
    metadata.fivefold: Unrecognized key: "dropout"
    metadata.fivefold is of version 2 and this program reads version 1; use the version of Fivefold that wrote it
    metadata.fivefold is of version 0 and this program reads version 1; use the version of Fivefold that wrote it
    metadata.fivefold: version: Invalid input: expected number, received string
    metadata.fivefold: step: Invalid input: expected number, received undefined
    metadata.fivefold names "step" twice
    metadata.fivefold names "__proto__", which is no name
    metadata.fivefold: Invalid input: expected object, received array
    metadata.fivefold is not JSON"
  `);
});

/** What is said of a header with this JSON before no numbers at all. */
const header = (json: string) => {
  const bytes = Buffer.from(json);
  return refusal(() => parseHeader('w', bytes, 8 + bytes.length));
};

test('names and sizes that no tensor has are refused', () => {
  const entry = (shape: unknown, name = 'a') =>
    `{${JSON.stringify(name)}: {"dtype": "F32", "shape": ${JSON.stringify(shape)}, "data_offsets": [0, 0]}}`;
  expect(header(entry([0]))).toBe('read');
  expect(header(entry([0], 'constructor'))).toBe('read');
  const messages = [
    header(entry([2 ** 53 - 1, 2 ** 53 - 1])),
    // The product is 2^64 and more, and zero in 64 bits.
    header(entry([2 ** 32, 2 ** 32])),
    header(entry([2 ** 53])),
    header(entry(Array.from({ length: 17 }, () => 0))),
    header(entry([0], '__proto__')),
    header(entry([0], 'a\nb\u001b[2J')),
    header(entry([0], 'x'.repeat(1000))),
    header(entry([0], '')),
    header(`{"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}, "\\u0061": {}}`),
    header(`{"a": {"dtype": "F32", "dtype": "F64", "shape": [0], "data_offsets": [0, 0]}}`),
    header('['.repeat(1e6)),
  ];
  expect(
    messages.map((message) => message.replace(/^.*is broken: /, '').replace(/; copy or.*/, '')).join('\n'),
  ).toMatchInlineSnapshot(`
    "tensor a: bytes 0 to 0 do not hold F32 of shape [9007199254740991,9007199254740991]
    tensor a: bytes 0 to 0 do not hold F32 of shape [4294967296,4294967296]
    tensor a: shape.0: Too big: expected int to be <=9007199254740991
    tensor a: shape: Too big: expected array to have <=16 items
    its header names "__proto__", which is no name
    a tensor is called "a\\nb\\u001b[2J", which no tensor can be
    a tensor is called "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...", which no tensor can be
    a tensor is called "", which no tensor can be
    its header names "a" twice
    its header names "dtype" twice
    its header is not JSON"
  `);
});

test('files outside of the directory, too many files, and files that hold the same are refused', () => {
  const index = (value: object) => {
    const path = join(root, `index-${directories++}`);
    cpSync(whole, path, { recursive: true });
    writeFileSync(join(path, 'model.safetensors.index.json'), JSON.stringify(value));
    return path;
  };
  const file = readdirSync(whole).find((name) => name.startsWith('optimizer-'))!;
  const messages = [
    ...['..', '.', '../whole/x', '/etc/passwd', 'a\\b', 'a\u0000b'].map((name) =>
      refusal(() => openCheckpoint(index({ weight_map: { a: name } }))),
    ),
    refusal(() => openOptimizer(index({ metadata: { optimizer: ['..'] }, weight_map: {} }))),
    refusal(() => openOptimizer(index({ metadata: { optimizer: [file, file] }, weight_map: {} }))),
    refusal(() => openCheckpoint(index({ weight_map: { 'a\nb': file } }))),
  ];
  expect(
    messages.map((message) => message.replace(/^.*is broken: /, '').replace(/; copy or.*/, '')).join('\n'),
  ).toMatchInlineSnapshot(`
    "weight_map.a: a file name without a directory is needed
    weight_map.a: a file name without a directory is needed
    weight_map.a: a file name without a directory is needed
    weight_map.a: a file name without a directory is needed
    weight_map.a: a file name without a directory is needed
    weight_map.a: a file name without a directory is needed
    the file: metadata.optimizer.0: a file name without a directory is needed
    both optimizer-step000003-00001-of-00002.safetensors and optimizer-step000003-00001-of-00002.safetensors hold embed.weight.exp_avg
    weight_map names the tensor "a\\nb", which no tensor can be"
  `);

  // Time of the processor: others may be using it.
  const start = process.cpuUsage();
  const many = Object.fromEntries(Array.from({ length: 2e5 }, (_, i) => [`t${i}`, `f${i}`]));
  expect(refusal(() => openCheckpoint(index({ weight_map: many })))).toContain('lists more than 10000 files');
  const bytes = encodeHeader(Array.from({ length: 1e5 }, (_, i) => ({ name: `t${i}`, shape: [0], dtype: 'F32' })));
  expect(parseHeader('w', Buffer.from(bytes.subarray(8)), bytes.length).size).toBe(1e5);
  expect(process.cpuUsage(start).user / 1e6).toBeLessThan(10);
});
