// All benchmarks, one after the other, each in a process of its own, written to bench/results.md with the machine's description:
// `npm run bench` (`-- --python <path>` adds PyTorch; `-- build memory` runs these alone and writes nothing). Every one is run; at the
// end it is said which marks were missed, and then the exit status is 1.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatBinaryBytes } from '../src/cli/ui/units.ts';
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
    name: 'long',
    title: 'Long sequences',
    about:
      'llama-small on one rank: one sequence of 32,768 tokens against one of 4,096, and 8 documents of 4,096 packed into one sequence against 8 sequences; each run in a process of its own, medians over steps.',
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
    about: 'About 200 MB, against a plain write (with fsync) and read of the same bytes. Nothing of it is judged.',
  },
];

const { values, positionals } = parseArgs({ options: { python: { type: 'string' } }, allowPositionals: true });
const unknown = positionals.find((name) => !sections.some((section) => section.name === name));
if (unknown !== undefined)
  throw new Error(`no benchmark ${unknown}; there are ${sections.map(({ name }) => name).join(', ')}`);
const chosen = positionals.length > 0 ? sections.filter(({ name }) => positionals.includes(name)) : sections;

/** What a section printed, and what is to be said of it at the end. */
function run({ name, title }: Section): { readonly text: string; readonly remarks: readonly string[] } {
  process.stderr.write(`${title} ...\n`);
  const path = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const python = name === 'training' && values.python !== undefined ? ['--python', values.python] : [];
  const { status, signal, stdout } = spawnSync(process.execPath, ['--import', 'tsx', path, ...python], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const remarks = stdout
    .split('\n')
    .filter((line) => [words.missed, words.notMeasured].some((word) => line.startsWith(`${word}: `)));
  const missed = remarks.some((line) => line.startsWith(words.missed));
  if (status === 0 || (status === 1 && missed)) return { text: stdout.trimEnd(), remarks };
  const failure = `${words.missed}: it failed (${signal ?? `status ${status}`})`;
  return { text: `${stdout}\n${failure}`.trim(), remarks: [...remarks, failure] };
}

const written = [
  '# Benchmark results',
  '',
  `Machine: ${machine}. Made by \`npm run bench\`; judge ratios, not absolute figures. What each figure is judged by stands under its table; the bounds are those of marks.ts.`,
];
const remarks: string[] = [];
for (const section of chosen) {
  const done = run(section);
  const { title, about } = section;
  console.log(`\n${title}\n${done.text}`);
  written.push('', `## ${title}`, '', about, '', '```', done.text, '```');
  remarks.push(...done.remarks.map((remark) => `${title}: ${remark}`));
}
const anyMissed = remarks.some((remark) => remark.includes(`: ${words.missed}: `));
const summary = anyMissed ? 'Not all marks are met:' : 'No mark is missed.';
console.log(['', summary, ...remarks].join('\n'));
written.splice(3, 0, '', summary, ...(remarks.length > 0 ? ['', ...remarks.map((remark) => `- ${remark}`)] : []));
if (chosen === sections) writeFileSync(new URL('./results.md', import.meta.url), `${written.join('\n')}\n`);
if (anyMissed) process.exitCode = 1;
