// A machine that was measured: its file stands for it in --cluster, and what is no such file is refused with the fix.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { run } from '../../test/cli-fixture.ts';
import { measuredMachine } from '../../test/measured-machine.ts';
import { measuredJson } from '../plan/hardware/measured-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'fivefold-calibrate-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(json: object): string {
  const path = join(folder, 'machine.json');
  writeFileSync(path, JSON.stringify(json));
  return path;
}

const step = ['--model', 'llama-tiny', '--layout', 'tp=2', '--seq-len', '128', '--global-batch', '4', '--json'];

test('predict and plan take the file for the machine', async () => {
  const cluster = fileOf(measuredJson(measuredMachine()));
  const predicted = await run('predict', '--cluster', cluster, ...step);
  expect(predicted).toMatchObject({ exit: 0, stderr: '' });
  const { stepSeconds, time, memoryBytes, fits } = JSON.parse(predicted.stdout);
  // Nothing runs beside anything else.
  expect(time.compute + time.tp + time.dp + time.optimizer).toBeCloseTo(stepSeconds, 9);
  expect({ fits, buffers: memoryBytes.buffers }).toEqual({ fits: true, buffers: 0 });
  const planned = await run(
    'plan',
    '--train',
    '--cluster',
    cluster,
    '--model',
    'llama-tiny',
    '--seq-len',
    '128',
    '--json',
  );
  expect(planned.exit).toBe(0);
  expect(JSON.parse(planned.stdout.split('\n')[0]!)).toMatchObject({ rank: 1, fits: true });
});

test('what is no file of a machine', async () => {
  const machine = measuredJson(measuredMachine());
  const refused = async (json: object) => (await run('predict', '--cluster', fileOf(json), ...step)).stderr;
  expect(await refused({ ...machine, alone: 'quick' })).toMatch(
    /alone: .*; measure the machine again: fivefold calibrate --local/,
  );
  expect(await refused({ ...machine, ranks: 4 })).toContain('it has 4 ranks and the machine 2 cores; give from 1 to 2');
  expect(await refused({ ...machine, kernels: {} })).toContain('kernels');
});

test('narrow products are none of what was measured', async () => {
  const words = ['predict', '--cluster', fileOf(measuredJson(measuredMachine())), ...step, '--precision', 'bf16'];
  expect(await run(...words)).toMatchObject({ exit: 2, stderr: expect.stringContaining('--precision fp32') });
});

test('nothing is served on cores that were measured as they train', async () => {
  const words = ['--model', 'llama-tiny', '--cluster', fileOf(measuredJson(measuredMachine())), '--serve'];
  for (const command of ['predict', 'plan'])
    expect(await run(command, ...words, ...(command === 'predict' ? ['--layout', 'tp=1'] : []))).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining('give a cluster of GPUs'),
    });
});

test('calibrate says what it measures', async () => {
  expect(await run('calibrate')).toMatchObject({
    exit: 2,
    stderr: expect.stringContaining('fivefold calibrate --local'),
  });
  const away = join(folder, 'machine.json', 'below', 'machine.json');
  expect(await run('calibrate', '--local', '--out', away)).toMatchObject({ exit: 2, stdout: '' });
});
