// All benchmarks, one after the other, each in a process of its own, written to bench/results.md with the machine's description: `npm run bench` (`-- --python <path>` adds PyTorch).
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { formatBinaryBytes } from '../src/cli/ui/units.ts';

const machine = `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, ${formatBinaryBytes(totalmem())}, ${platform()} ${arch()}, Node ${process.version}`;

interface Section {
  readonly title: string;
  readonly about: string;
  readonly script: string;
}

const sections: readonly Section[] = [
  {
    title: 'Training speed',
    about:
      'Llama, hidden 512, 8 layers, sequence 512, 8 sequences a step, f32. Rounds of one rank, bare MatMul, two ranks and (with --python) PyTorch in turns; medians. Efficiency is speedup over what the layout allows (for pp: what its bubble leaves).',
    script: 'training.ts',
  },
  {
    title: 'Pipeline bubbles',
    about:
      "Two stages of four layers each, 8 microbatches a step. Idle share of the stages between a step's first work and its last, from the traces of real steps, against the same schedule played with the times that its work took; medians over steps.",
    script: 'bubbles.ts',
  },
  {
    title: 'All-reduce',
    about: 'Two ranks, in turns with Open MPI on the same machine; medians.',
    script: 'all-reduce.ts',
  },
  { title: 'Memory', about: 'llama-tiny on dp=2, 500 steps.', script: 'memory.ts' },
  {
    title: 'Checkpoints',
    about: 'About 200 MB, against a plain write (with fsync) and read of the same bytes.',
    script: 'checkpoint.ts',
  },
];

const written = [
  '# Benchmark results',
  '',
  `Machine: ${machine}. Made by \`npm run bench\`; judge ratios, not absolute figures.`,
];
for (const { title, about, script } of sections) {
  process.stderr.write(`${title} ...\n`);
  const path = fileURLToPath(new URL(`./${script}`, import.meta.url));
  const text = execFileSync(
    process.execPath,
    ['--import', 'tsx', path, ...(script === 'training.ts' ? process.argv.slice(2) : [])],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  console.log(`\n${title}\n${text}`);
  written.push('', `## ${title}`, '', about, '', '```', text.trimEnd(), '```');
}
writeFileSync(new URL('./results.md', import.meta.url), `${written.join('\n')}\n`);
