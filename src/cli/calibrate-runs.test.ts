// A cluster's constants learnt from its own runs: the file stands for it in --cluster, and tables that say too little are refused.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { run } from '../../test/cli-fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'fivefold-calibrate-runs-'));
afterAll(() => rmSync(folder, { recursive: true }));

const head = 'id,software,gpu,num_gpus,model,seq_len,precision,tp,pp,dp,micro_batch,global_batch,recompute,iter_time_s';
function tableOf(...rows: string[]): string {
  const path = join(folder, 'runs.csv');
  writeFileSync(path, [head, ...rows, ''].join('\n'));
  return path;
}

const ours = 'a,,H100,8,llama-3.1-8b,4096,bf16,8,1,1,1,8,none';

test('predict takes the file for the cluster', async () => {
  const out = join(folder, 'my-cluster.json');
  const step = ['--model', 'llama-3.1-8b', '--layout', 'tp=8', '--seq-len', '4096', '--global-batch', '8', '--json'];
  const secondsOn = async (cluster: string): Promise<number> => {
    const { stdout } = await run('predict', '--cluster', cluster, ...step);
    return JSON.parse(stdout).stepSeconds;
  };
  const before = await secondsOn('8xh100');
  const found = await run('calibrate', tableOf(`${ours},${1.3 * before}`), '--out', out, '--json');
  expect(found).toMatchObject({ exit: 0, stderr: '' });
  const { runs, meanError, file } = JSON.parse(found.stdout);
  expect({ runs, file }).toEqual({ runs: 1, file: out });
  expect(meanError.after).toBeLessThan(meanError.before);
  expect(await secondsOn(out)).toBeGreaterThan(1.05 * before);
});

test('the software of most of its runs is kept with a cluster', async () => {
  const out = join(folder, 'nemos.json');
  const named = (id: string, software: string) => `${ours.replace('a,,', `${id},${software},`)},1`;
  const table = tableOf(named('a', 'nemo'), named('b', ''), named('c', 'nemo'));
  expect(JSON.parse((await run('calibrate', table, '--out', out, '--json')).stdout).software).toEqual({
    narrowGradients: true,
    launches: 'interpreted',
  });
  const predicted = async (...more: string[]) => {
    const { stdout } = await run('predict', '--model', 'llama-3.1-8b', '--cluster', out, '--layout', 'dp=8', ...more);
    return stdout;
  };
  expect(await predicted()).toContain('with the software of the runs that the cluster is calibrated by');
  const gradientBytes = async (...more: string[]) =>
    JSON.parse(await predicted('--json', ...more)).memoryBytes.gradients as number;
  expect(await gradientBytes()).toBe(await gradientBytes('--software', 'nemo'));
  expect(await gradientBytes('--software', 'tuned')).toBe(2 * (await gradientBytes()));
});

test.each([
  [
    'no row that can be predicted',
    ['a,,H100,8,llama-3.1-8b,4096,bf16,8,1,1,1,8,none,'],
    /measures neither time nor memory/,
  ],
  [
    'two kinds of devices',
    [`${ours},1`, `${ours.replace('H100', 'A100')},1`],
    /give those of one kind of device at a time/,
  ],
  ['no rows', [], /it has no rows/],
])('%s is refused', async (_, rows, reason) => {
  const { exit, stderr } = await run('calibrate', tableOf(...rows));
  expect(exit).toBe(2);
  expect(stderr).toMatch(reason);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});
