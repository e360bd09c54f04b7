// All benchmarks, one after the other, each in a process of its own, written to bench/results.md: `npm run bench` (`-- --python <path>`
// adds PyTorch; `-- build memory` runs these alone and leaves the other sections as they are). Every one is run; at the end it is said
// which marks are missed, and then the exit status is 1.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatBinaryBytes } from '../src/units.ts';
import { words } from './marks.ts';

const machine = `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, ${formatBinaryBytes(totalmem())}, ${platform()} ${arch()}, Node ${process.version}`;

interface Section {
  /** Of its script, and for the command line. */
  readonly name: string;
  readonly title: string;
  readonly about: string;
}

const sections: readonly Section[] = [
  {
    name: 'training',
    title: 'Training speed',
    about:
      'Llama, hidden 512, 8 layers, sequence 512, 8 sequences a step, f32. Rounds of one rank, bare MatMul, two ranks and (with --python) PyTorch in turns; medians. Efficiency is speedup over what the layout allows (for pp: what its bubble leaves).',
  },
  {
    name: 'bubbles',
    title: 'Pipeline bubbles',
    about:
      "Two stages of four layers each, 8 microbatches a step. Idle share of the stages between a step's first work and its last, from the traces of real steps, against the same schedule played with the run's median times of each kind of work; beside it, played with the very times of each step, which no run in that order can be below. Medians over runs.",
  },
  {
    name: 'all-reduce',
    title: 'All-reduce',
    about: "Two ranks, in turns with Open MPI on the same machine; medians. Judged: Open MPI's time over ours.",
  },
  {
    name: 'exchange',
    title: 'Exchange of rows',
    about:
      'An all-to-all of uneven blocks between two ranks, which send each other so many bytes in rows of 4 KB and write them anew before each; in turns with each copying as many bytes that the other has written, the least that there is to do; medians. Judged: the time of registered vectors over that of the copy.',
  },
  {
    name: 'long',
    title: 'Long sequences',
    about:
      'llama-small on one rank: one sequence of 32,768 tokens against one of 4,096, and 8 documents of 4,096 packed into one sequence against 8 sequences; each run in a process of its own, medians over steps.',
  },
  {
    name: 'context',
    title: 'Context parallelism',
    about:
      'llama-small, one sequence of 16,384 tokens a step: two ranks that split it against one, in turns; medians over steps. Judged: half the speedup.',
  },
  {
    name: 'experts',
    title: 'Mixtures of experts',
    about:
      'Mixtral, hidden 512, 4 layers of 8 experts of width 704 (two a token), sequence 512, 8 sequences a step in microbatches of 4, f32: two ranks that share the experts out against one, in turns, and bare MatMul of the sizes that experts have when tokens go to them evenly. Products, and what goes between ranks (waiting for the other included), from the trace of the same runs; medians. Where experts choose, all have as many tokens: judged. Where tokens choose, routing is that of a model that has just begun: most tokens of a layer go to two experts (imbalance near 4), often those of one rank, for which the other waits.',
  },
  {
    name: 'balance',
    title: 'Packed documents',
    about:
      'llama-tiny with 2 layers, 2 sequences of 16,384 tokens a step, filled with documents of log-normal lengths (median a 64th of a sequence, sigma 1.5; none longer than a sequence): balanced by the cost of their attention against packed by their number of tokens, in turns, the same 64 sequences in both ways. Judged: mean time of a step, balanced over by count. Beside it, as predicted: FLOPs of the rank with most of them, balanced over by count, and its attention over the mean of the ranks in both ways. Over cp little can be won: cut by count in zigzag, a sequence is nearly even. Nor with many sequences a replica: their costs even out by themselves.',
  },
  {
    name: 'uneven',
    title: 'Uneven ranks',
    about:
      'llama-tiny with 8 layers, 12 sequences of 256 tokens a step on two ranks, one of which takes twice as long for everything that it computes: stages and replicas by speed against alike ones, in turns. Judged: time of the fastest step, by speed over alike; beside it the same as estimated.',
  },
  {
    name: 'local',
    title: 'Predicted steps',
    about:
      'Llama, hidden 384, 4 layers, sequence 512, 4 sequences a step in microbatches of one (over ep Mixtral, hidden 256, 4 layers of 8 experts of width 704, which choose their tokens), f32, two ranks; calibration times layers of other widths. The machine is measured as calibrate --local does, before and after every round of runs. Judged: the time of a step as predicted from the measurements around a round over the median of its steps after the first (of all rounds the median), bytes and FLOPs of the planner against counters, its peak memory over what was allocated. How long ranks waited for a core says how busy the machine was with other things.',
  },
  {
    name: 'local-sgd',
    title: 'Steps between synchronisations',
    about:
      'llama-tiny, 10 steps: bytes that a rank sends over dp, counted while it runs, when gradients are summed at every step (H=1) and when replicas meet every 10 (H=10); judged: their ratio.',
  },
  {
    name: 'resident-memory',
    title: 'Resident memory',
    about:
      'Growth of the resident memory of a process over three steps, against what is predicted; judged: the one over the other.',
  },
  {
    name: 'build',
    title: 'Building a step',
    about:
      'CPU time in which the step of one rank with 8 layers of hidden size 4096 and 32 microbatches is built once the code is warm; the slower of the first and the last rank.',
  },
  { name: 'memory', title: 'Memory', about: 'llama-tiny on dp=2, 500 steps.' },
  {
    name: 'checkpoint',
    title: 'Checkpoints',
    about:
      'About 200 MB, against a plain write (with fsync) and read of the same bytes. Then a run as that of training speed, saved after every third step: judged is what a checkpoint adds to the steps beside which it is written, over a step without; the last one is waited for.',
  },
];

const { values, positionals } = parseArgs({
  options: { python: { type: 'string' }, rounds: { type: 'string' } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !sections.some((section) => section.name === name));
if (unknown !== undefined)
  throw new Error(`no benchmark ${unknown}; there are ${sections.map(({ name }) => name).join(', ')}`);

/** Passed on. */
const optionsOf: Readonly<Record<string, readonly (keyof typeof values)[]>> = {
  training: ['python', 'rounds'],
  local: ['rounds'],
};

/** What a section printed. */
function run({ name, title }: Section): string {
  process.stderr.write(`${title} ...\n`);
  const path = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const given = optionsOf[name] ?? [];
  const options = given.flatMap((option) => (values[option] === undefined ? [] : [`--${option}`, values[option]]));
  const { status, signal, stdout } = spawnSync(process.execPath, ['--import', 'tsx', path, ...options], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status === 0 || (status === 1 && remarksIn(stdout).length > 0)) return stdout.trimEnd();
  return `${stdout}\n${words.missed}: it failed (${signal ?? `status ${status}`})`.trim();
}

/** What was missed or not measured. */
const remarksIn = (text: string): string[] =>
  text.split('\n').filter((line) => [words.missed, words.notMeasured].some((word) => line.startsWith(`${word}: `)));

const results = new URL('./results.md', import.meta.url);
/** The sections as they stand, by title. */
const kept = new Map(
  (existsSync(results) ? readFileSync(results, 'utf8') : '')
    .split(/^## /m)
    .slice(1)
    .map((text) => [text.slice(0, text.indexOf('\n')), text.trimEnd()] as const),
);
for (const section of sections) {
  if (positionals.length > 0 && !positionals.includes(section.name)) continue;
  const text = run(section);
  const { title, about } = section;
  console.log(`\n${title}\n${text}`);
  kept.set(title, `${title}\n\n${about}\n\nMachine: ${machine}.\n\n\`\`\`\n${text}\n\`\`\``);
}
const all = sections.flatMap(({ title }) => kept.get(title) ?? []);
const remarks = all.flatMap((text) => remarksIn(text).map((line) => `${text.slice(0, text.indexOf('\n'))}: ${line}`));
const anyMissed = remarks.some((remark) => remark.includes(`: ${words.missed}: `));
const summary = [
  anyMissed ? 'Not all marks are met:' : 'No mark is missed.',
  '',
  ...remarks.map((line) => `- ${line}`),
];
console.log(['', ...summary].join('\n'));
const head = [
  '# Benchmark results',
  '',
  'Made by `npm run bench`; judge ratios, not absolute figures. What each figure is judged by stands under its table; the bounds are those of marks.ts.',
  '',
  ...summary,
];
writeFileSync(results, `${[head.join('\n').trimEnd(), ...all.map((text) => `## ${text}`)].join('\n\n')}\n`);
if (anyMissed) process.exitCode = 1;
