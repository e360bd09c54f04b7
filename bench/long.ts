// Long sequences: what one of 32,768 tokens takes of memory and time against one of an eighth, and eight documents packed into it
// against eight sequences: `npx tsx bench/long.ts [--tokens <n>]` (some 15 minutes; each run of the built program in a process of its own).
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatTable } from '../src/cli/ui/table.ts';
import { formatBytes, formatFlops, formatSeconds } from '../src/units.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { median } from './model.ts';

const documents = 8;

interface Case {
  readonly name: string;
  readonly seqLen: number;
  readonly sequences: number;
  readonly pack?: true;
  readonly steps: number;
}

type CaseName = 'long' | 'short' | 'packed' | 'apart';

const casesOf = (tokens: number): Record<CaseName, Case> => {
  const each = tokens / documents;
  return {
    long: { name: `a sequence of ${tokens}`, seqLen: tokens, sequences: 1, steps: 2 },
    short: { name: `a sequence of ${each}`, seqLen: each, sequences: 1, steps: 4 },
    packed: { name: `${documents} documents of ${each}, packed`, seqLen: tokens, sequences: 1, pack: true, steps: 3 },
    apart: { name: `${documents} sequences of ${each}`, seqLen: each, sequences: documents, steps: 2 },
  };
};

/** What is compared stands side by side: a shared machine changes its pace. */
const order: readonly CaseName[] = ['short', 'long', 'short', 'apart', 'packed', 'apart'];

interface Run {
  /** Of each step but the first, which warms caches up. */
  readonly seconds: readonly number[];
  /** Of a step. */
  readonly flops: number;
  /** By how much resident memory grew over what it was before the ranks. */
  readonly grownBytes: number;
  /** The most that was resident of the process; 0 where /proc does not say. */
  readonly residentBytes: number;
}

const root = fileURLToPath(new URL('..', import.meta.url));

async function run({ name, seqLen, sequences, pack, steps }: Case, tokens: number, data: string): Promise<Run> {
  const sizes = ['--seq-len', seqLen, '--global-batch', sequences, '--micro-batch', 1, '--steps', steps].map(String);
  const model = ['--model', 'llama-small', '--set', `max_position_embeddings=${tokens}`, '--layout', 'tp=1'];
  const args = ['bin/fivefold.js', 'train', '--data', data, ...model, ...sizes, ...(pack ? ['--pack'] : []), '--json'];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  let [said, residentBytes] = ['', 0];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const watch = setInterval(() => {
    residentBytes = Math.max(residentBytes, peakOf(child.pid));
  }, 100);
  const seconds: number[] = [];
  let done: { readonly flops: readonly [number]; readonly processBytes: number } | undefined;
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as { readonly step: number; readonly seconds: number } | (typeof done & object);
    if ('step' in line) {
      process.stderr.write(`${name}: step ${line.step} of ${steps} took ${formatSeconds(line.seconds)}\n`);
      if (line.step > 1) seconds.push(line.seconds);
    } else done = line;
  }
  const status = await ended;
  clearInterval(watch);
  if (status !== 0 || !done) throw new Error(`${args.join(' ')} failed: ${said}`);
  return { seconds, flops: done.flops[0] / steps, grownBytes: done.processBytes, residentBytes };
}

/** The most that a process has had resident so far. */
function peakOf(pid: number | undefined): number {
  try {
    return 1024 * Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    // It has ended, or there is no /proc.
    return 0;
  }
}

type LongResult = Readonly<Record<CaseName, Run>>;

export async function benchLong(tokens: number): Promise<LongResult> {
  const folder = mkdtempSync(join(tmpdir(), 'fivefold-long-'));
  try {
    const each = tokens / documents;
    // A document's last token, which ends it, is only predicted: its bytes are what a sequence holds.
    const text = 'A document of a known length says the same again and again. '
      .repeat(Math.ceil(each / 60))
      .slice(0, each);
    const data = join(folder, 'documents.jsonl');
    writeFileSync(data, `${JSON.stringify({ text })}\n`.repeat(8 * documents));
    const cases = casesOf(tokens);
    const runs: Record<CaseName, Run[]> = { long: [], short: [], packed: [], apart: [] };
    for (const name of order) runs[name].push(await run(cases[name], tokens, data));
    const result = {
      long: together(runs.long),
      short: together(runs.short),
      packed: together(runs.packed),
      apart: together(runs.apart),
    };
    const work = result.packed.flops / result.apart.flops;
    if (Math.abs(work - 1) > 0.1)
      throw new Error(
        `packed documents take ${work} times the FLOPs of as many sequences: they were not packed as meant`,
      );
    return result;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const together = (runs: readonly Run[]): Run => ({
  ...runs[0]!,
  seconds: runs.flatMap(({ seconds }) => seconds),
  grownBytes: Math.max(...runs.map(({ grownBytes }) => grownBytes)),
  residentBytes: Math.max(...runs.map(({ residentBytes }) => residentBytes)),
});

const secondsOf = ({ seconds }: Run): number => median(seconds);

export function longTable(result: LongResult, tokens: number): string {
  const cases = casesOf(tokens);
  return formatTable({
    head: ['llama-small, one rank', 'a step', 'FLOPs', 'resident'],
    rows: (Object.keys(result) as CaseName[]).map((name) => [
      cases[name].name,
      formatSeconds(secondsOf(result[name])),
      formatFlops(result[name].flops),
      formatBytes(result[name].residentBytes),
    ]),
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { tokens: { type: 'string', default: '32768' } } });
  const tokens = Number(values.tokens);
  if (!(tokens > 0 && tokens % documents === 0)) throw new Error(`--tokens must be a multiple of ${documents}`);
  const result = await benchLong(tokens);
  const { long, short, packed, apart } = result;
  console.log(longTable(result, tokens));
  console.log();
  const figures: Record<keyof typeof marks.long, number | undefined> = {
    'most resident, in GB': long.residentBytes > 0 ? long.residentBytes / 1e9 : undefined,
    'growth of memory over growth of tokens': long.grownBytes / short.grownBytes / documents,
    'growth of time over growth of FLOPs': secondsOf(long) / secondsOf(short) / (long.flops / short.flops),
    'packed documents over sequences of their own': secondsOf(packed) / secondsOf(apart),
  };
  printVerdicts(judge(marks.long, (name) => figures[name]));
}
