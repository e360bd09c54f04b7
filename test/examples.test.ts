// Every example runs as its first lines say, and what it computes is right; what it measures is not looked at.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from './temporary-folder.ts';
import { typescript } from './typescript.ts';

const folder = temporaryFolder('examples');
/** Beside them lie data that other commands take. */
const names = readdirSync('examples').filter((name) => name.endsWith('.ts'));

/** What a program prints; anything on stderr is wrong. */
function runFile(path: string, loader: readonly string[] = typescript): Promise<string> {
  return new Promise((resolve, reject) =>
    execFile(process.execPath, [...loader, path], (error, stdout, stderr) => {
      if (error || stderr !== '') reject(error ?? new Error(stderr));
      else resolve(stdout);
    }),
  );
}

const run = (name: string): Promise<string> => runFile(`examples/${name}`);

const numbersIn = (text: string, pattern: RegExp): number[] =>
  [...text.matchAll(pattern)].map((match) => Number(match[1]));

/** With the time on one rank and on so many. */
const scaling = (ranks: number): RegExp =>
  new RegExp(
    `one rank [\\d.]+ m?s, ${ranks} ranks [\\d.]+ m?s: speedup [\\d.]+, efficiency [\\d.]+, serial fraction -?[\\d.]+$`,
    'm',
  );

test('hello prints one layer as the program of one rank, and of one of two', async () => {
  // With what its first lines name; the others with what loads it in half the time.
  const loaded = await runFile('examples/hello.ts', ['--import', 'tsx']);
  expect(await run('hello.ts')).toBe(loaded);
  const [one, two] = loaded.split('On each of two:');
  expect(one).not.toContain('allReduce');
  expect(two).toContain('[1, 4, 8] {tp:I} = allReduce(%7, axes=tp, reduce=sum, to=I)');
});

test('sum-of-squares gives the same sum on any number of ranks', async () => {
  const output = await run('sum-of-squares.ts');
  const sums = numbersIn(output, /: ([\d.]+)$/gm);
  // Σ sin² i of i below n is n/2 - sin(n) cos(n - 1) / (2 sin 1).
  const n = 1e6;
  const expected = n / 2 - (Math.sin(n) * Math.cos(n - 1)) / (2 * Math.sin(1));
  expect(sums).toHaveLength(3);
  // Six digits are printed.
  for (const sum of sums) expect(Math.abs(sum - expected)).toBeLessThan(1e-6);
  for (const ranks of [2, 4]) expect(output).toMatch(scaling(ranks));
});

test('pmap gives on eight ranks what one gives', async () => {
  const output = await run('pmap.ts');
  const differences = numbersIn(output, /8 ranks differ from one by (\S+) at most/g);
  // The cube roots are the same; the sum of 400,000 numbers is taken in another order.
  expect(differences[0]).toBe(0);
  expect(differences[1]).toBeLessThan(1e-15);
  expect(output).toMatch(scaling(8));
});

test('classifier learns, and alike on one rank and on two', async () => {
  const output = await run('classifier.ts');
  const losses = numbersIn(output, /loss ([\d.]+)/g);
  const [one, two] = [losses.slice(0, 3), losses.slice(3)] as [number[], number[]];
  expect(two).toHaveLength(3);
  expect(one[2]).toBeLessThan(one[0]! / 4);
  // f32, of three printed digits: after 60 steps sums in another order may have moved the last.
  for (const [index, loss] of two.entries()) expect(Math.abs(loss - one[index]!)).toBeLessThan(5e-3);
  const right = numbersIn(output, /([\d.]+) % of 128 held-out digits/g);
  expect(right).toHaveLength(2);
  for (const share of right) expect(share).toBeGreaterThan(90);
  expect(output).toMatch(scaling(2));
});

test('ring-attention gives on four ranks what attention on one gives, with gradients', async () => {
  const differences = numbersIn(await run('ring-attention.ts'), /4 ranks differ from one by (\S+) at most/g);
  expect(differences).toHaveLength(4);
  // Rounding of f64 in another order of sums.
  for (const difference of differences) expect(difference).toBeLessThan(1e-14);
});

test('plan names layouts of sixteen GPUs, the fastest first', async () => {
  const seconds = numbersIn(await run('plan.ts'), /: ([\d.]+) s a step/g);
  expect(seconds).toHaveLength(3);
  expect(seconds).toEqual(seconds.toSorted((a, b) => a - b));
});

test('own-schedule is proved, drawn and trained with, and its losses are those of 1f1b', async () => {
  const output = await run('own-schedule.ts');
  expect(output).toContain('they hold 3 and 2 microbatches at most');
  const bubbles = numbersIn(output, /bubble ([\d.]+) %/g);
  expect(bubbles).toHaveLength(2);
  expect(bubbles[0]).toBeLessThan(bubbles[1]!);
  // Both add gradients in the microbatches' order.
  expect(output).toMatch(/losses 5\.\d+, [\d.]+, [\d.]+: they differ from 1f1b's by 0 at most/);
});

const page = readFileSync('docs/running-programs.md', 'utf8');
const printing = [...page.matchAll(/```ts\n(.*?console\.log\(.*?\); \/\/ ([^\n]+)\n)```/gs)];

test('the programs of docs/running-programs.md print what it says', async () => {
  expect(printing).toHaveLength(2);
  for (const [index, [, code, printed]] of printing.entries()) {
    const path = join(folder, `program-${index}.mts`);
    writeFileSync(path, code!);
    expect(await runFile(path)).toBe(`${printed}\n`);
  }
});

test.each(names)('%s is short, imports the package alone, and has its test here', (name) => {
  const text = readFileSync(`examples/${name}`, 'utf8');
  expect(text.split('\n').length - 1).toBeLessThan(80);
  const imported = [...text.matchAll(/from '([^']+)'/g)].map((match) => match[1]!);
  expect(imported.filter((from) => !['fivefold', 'fivefold/program', 'fivefold/planner'].includes(from))).toEqual([]);
  expect(readFileSync('test/examples.test.ts', 'utf8')).toContain(`run('${name}')`);
});
