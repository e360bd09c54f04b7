// All benchmarks, one after the other, written to bench/results.md with the machine's description: `npm run bench`.
import { writeFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { formatTable } from '../src/cli/ui/table.ts';
import { formatBinaryBytes } from '../src/cli/ui/units.ts';
import { allReduceTable, benchAllReduce } from './all-reduce.ts';
import { checkpointBench } from './checkpoint.ts';
import { benchMemory, memoryTable } from './memory.ts';
import { benchTraining, trainingTable } from './training.ts';

const machine = `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, ${formatBinaryBytes(totalmem())}, ${platform()} ${arch()}, Node ${process.version}`;

const checkpointRows = () =>
  checkpointBench().map(({ name, gigabytesPerSecond, ofPlain }) => [
    name,
    gigabytesPerSecond.toFixed(2),
    ofPlain.toFixed(2),
  ]);

const sections: readonly (readonly [title: string, about: string, run: () => Promise<string>])[] = [
  [
    'Training speed',
    'Llama, hidden 512, 8 layers, sequence 512, 8 sequences a step, f32. Rounds of one rank, bare MatMul and two ranks in turns; medians. Efficiency is speedup over what the layout allows (for pp: what its bubble leaves).',
    async () => trainingTable(await benchTraining()),
  ],
  [
    'All-reduce',
    'Two ranks, in turns with Open MPI on the same machine; medians.',
    async () => allReduceTable(await benchAllReduce()),
  ],
  ['Memory', 'llama-tiny on dp=2, 500 steps.', async () => memoryTable(await benchMemory())],
  [
    'Checkpoints',
    'About 200 MB, against a plain write (with fsync) and read of the same bytes.',
    async () => formatTable({ head: ['operation', 'GB/s', 'of plain'], rows: checkpointRows() }),
  ],
];

const written = [
  `# Benchmark results`,
  '',
  `Machine: ${machine}. Made by \`npm run bench\`; judge ratios, not absolute figures.`,
];
for (const [title, about, run] of sections) {
  process.stderr.write(`${title} ...\n`);
  const text = await run();
  console.log(`\n${title}\n${text}`);
  written.push('', `## ${title}`, '', about, '', '```', text.trimEnd(), '```');
}
writeFileSync(new URL('./results.md', import.meta.url), `${written.join('\n')}\n`);
