// By how much runs of the built program make the resident memory of their process grow, against what is predicted:
// `npx tsx bench/resident-memory.ts [<case> ...]` (minutes; each run in a process of its own, one after another).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatTable } from '../src/cli/ui/table.ts';
import { formatBytes } from '../src/units.ts';
import { judge, marks, printVerdicts } from './marks.ts';

const batch = (seqLen: number, globalBatch: number, microBatch: number): string[] =>
  ['--seq-len', seqLen, '--global-batch', globalBatch, '--micro-batch', microBatch].map(String);

export const residentCases = {
  vocabulary: ['--model', 'llama-small', '--set', 'vocab_size=32000', '--layout', 'tp=1', ...batch(512, 4, 4)],
  gpt2: ['--model', 'gpt2', '--layout', 'tp=1', ...batch(256, 2, 1)],
  gpipe: ['--model', 'llama-small', '--layout', 'pp=2,schedule=gpipe', ...batch(256, 16, 1)],
  'zero=3': ['--model', 'llama-medium', '--layout', 'dp=2,zero=3', ...batch(256, 4, 2)],
  'recompute=full': ['--model', 'llama-medium', '--layout', 'tp=1,recompute=full', ...batch(512, 2, 2)],
  'one rank': ['--model', 'llama-medium', '--layout', 'tp=1', ...batch(512, 2, 2)],
  'dp=2': ['--model', 'llama-medium', '--layout', 'dp=2', ...batch(256, 8, 4)],
  'tp=2,sp': ['--model', 'llama-medium', '--layout', 'tp=2,sp', ...batch(512, 2, 2)],
  'long sequences': ['--model', 'llama-small', '--layout', 'tp=1', ...batch(2048, 2, 1)],
  saving: ['--model', 'llama-medium', '--layout', 'tp=1', ...batch(256, 2, 2), '--save-every', '1'],
  'zero bubble': ['--model', 'llama-small', '--layout', 'pp=2,schedule=zb-h1', ...batch(512, 8, 1)],
} as const satisfies Record<string, readonly string[]>;

/** Bytes. */
export interface ResidentGrowth {
  readonly predicted: number;
  readonly measured: number;
  /** Predicted of the buffers alone, by rank. */
  readonly peakBytes: readonly number[];
}

const root = fileURLToPath(new URL('..', import.meta.url));

/** Three steps: the second and third show that nothing is added. */
export function measureGrowth(options: readonly string[]): ResidentGrowth {
  const folder = mkdtempSync(join(tmpdir(), 'fivefold-bench-'));
  try {
    const saving = options.includes('--save-every') ? ['--out', join(folder, 'run')] : [];
    return growthOf(['--steps', '3', ...options, ...saving]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function growthOf(options: readonly string[]): ResidentGrowth {
  const args = ['bin/fivefold.js', 'train', '--data', 'README.md', 'docs', ...options, '--json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')} failed: ${stderr}`);
  const last = JSON.parse(stdout.trim().split('\n').at(-1)!) as {
    readonly processBytes: number;
    readonly predicted: { readonly processBytes: number; readonly peakBytes: readonly number[] };
  };
  const { processBytes, peakBytes } = last.predicted;
  return { predicted: processBytes, measured: last.processBytes, peakBytes };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { positionals } = parseArgs({ allowPositionals: true });
  const isCase = (name: string): name is keyof typeof residentCases => Object.hasOwn(residentCases, name);
  const names = positionals.length > 0 ? positionals : Object.keys(residentCases);
  const grown = new Map<string, ResidentGrowth>();
  for (const name of names) {
    if (!isCase(name)) throw new Error(`no case ${name}; there are ${Object.keys(residentCases).join(', ')}`);
    process.stderr.write(`resident memory, ${name}\n`);
    grown.set(name, measureGrowth(residentCases[name]));
  }
  const rows = [...grown].map(([name, { predicted, measured, peakBytes }]) => [
    name,
    formatBytes(predicted),
    formatBytes(measured),
    (measured / predicted).toFixed(3),
    formatBytes(peakBytes.reduce((sum, bytes) => sum + bytes, 0)),
  ]);
  console.log(formatTable({ head: ['growth of', 'predicted', 'measured', 'ratio', 'buffers alone'], rows }));
  console.log();
  const bounds = Object.fromEntries(names.map((name) => [name, marks.resident]));
  printVerdicts(judge(bounds, (name) => grown.get(name)!.measured / grown.get(name)!.predicted));
}
