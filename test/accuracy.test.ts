// The command accuracy on tables in a folder: its lines for programs, its tables for people, and what it refuses.
import { writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { jsonLines, makeWorkplace, run } from './cli-fixture.ts';

const place = makeWorkplace();
const { path } = place;
afterAll(() => place.remove());

const columns =
  'id,source_group,gpu,num_gpus,model,layers,hidden,heads,vocab,seq_len,precision,tp,pp,dp,micro_batch,global_batch,recompute,iter_time_s,mem_note,source';
const gpt = (id: string, ...rest: readonly (string | number)[]): string =>
  [id, 'Megatron-LM', 'A100-80GB', ...rest, 'a paper'].join(',');

writeFileSync(
  path('runs.csv'),
  [
    columns,
    gpt('fast', 8, 'GPT 1.5B', 24, 2304, 24, 51200, 1024, 'fp16', 1, 1, 8, 4, 64, 'full', 2, ''),
    gpt('slow', 8, 'GPT 1.5B', 24, 2304, 24, 51200, 1024, 'fp16', 8, 1, 1, 4, 64, 'full', 6, ''),
    gpt('short', 8, 'GPT 1.5B', 24, 2304, 24, 51200, 1024, 'fp16', 1, 1, 8, 64, 512, 'none', '', 'OOM'),
    gpt('open', 8, 'GPT 1.5B', 24, 2304, '', 51200, 1024, 'fp16', 8, 1, 1, 4, 64, 'full', 6, ''),
  ].join('\n'),
);
writeFileSync(path('kernels.csv'), 'gpu,kernel_source,latency_ms\nH100,x,1\n');
writeFileSync(path('other.csv'), 'a,b\n1,2\n');

const keys = [
  'rows',
  'predicted',
  'skipped',
  'medianError',
  'meanError',
  'p90Error',
  'signedError',
  'memoryMeanError',
  'fitsRight',
  'regretMean',
  'byMetric',
];

test('a line a table and one of all', async () => {
  const { exit, stdout, stderr } = await run('accuracy', path('runs.csv'), path('kernels.csv'), '--json');
  expect([exit, stderr]).toEqual([0, '']);
  const [runs, kernels, done, ...more] = jsonLines(stdout);
  expect(more).toEqual([]);
  expect(Object.keys(runs!)).toEqual(['table', ...keys]);
  expect(runs).toMatchObject({ table: 'runs', rows: 4, predicted: 3, skipped: 1, memoryMeanError: null });
  expect(kernels).toMatchObject({ table: 'kernels', rows: 1, predicted: 0, skipped: 1, meanError: null });
  expect(Object.keys(done!)).toEqual(['done', ...keys, 'training', 'serving']);
  const { table: _, ...figures } = runs!;
  expect(done).toMatchObject({ done: true, ...figures, training: figures, serving: { rows: 0, meanError: null } });
  for (const key of ['medianError', 'meanError', 'p90Error', 'signedError', 'fitsRight', 'regretMean'])
    expect(runs![key]).toEqual(expect.any(Number));
});

test('for people: figures, the rows furthest off, and why others were not predicted', async () => {
  const { exit, stdout } = await run('accuracy', path('runs.csv'));
  expect(exit).toBe(0);
  expect(stdout).toMatch(/runs +4 +3 /);
  expect(stdout).toMatch(/fast|slow/);
  expect(stdout).toMatch(/runs +1 +it does not say its heads +open/);
});

test.each([
  ['gone.csv', 'table {}: it does not exist; give a CSV file'],
  ['.', 'table {}: it is a directory; give a CSV file'],
  ['other.csv', 'table other: its columns are not those of a table of measurements; give '],
  ['config.json', 'table config.json: its columns are not those of a table of measurements; give '],
])('%s is refused in a line, before anything is judged', async (name, message) => {
  const given = path(name);
  const { exit, stdout, stderr } = await run('accuracy', path('runs.csv'), given, '--json');
  expect([exit, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^fivefold: [^\n]+\n$/);
  expect(stderr).toContain(message.replace('{}', given));
});

test('tables have to be named', async () => {
  const { exit, stderr } = await run('accuracy');
  expect(exit).toBe(2);
  expect(stderr).toMatch(/^fivefold: missing required argument 'csv'; see fivefold accuracy --help\n$/);
});
