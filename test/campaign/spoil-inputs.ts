// Thousands of spoiled inputs against the command line: every one ends with exit 0, or with one line and exit 2, within ten seconds.
import { spawn } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { run } from '../cli-fixture.ts';
import { typescript } from '../typescript.ts';
import type { Ending } from './input-runner.ts';
import type { Materials } from './inputs.ts';

export interface SpoiledReport {
  readonly cases: number;
  readonly accepted: number;
  readonly refused: number;
  /** Ran, and a loss or weight became no number: spoiled weights can be numbers. */
  readonly diverged: number;
  readonly slowestSeconds: number;
  /** Anything else: a case that a person has to look at. */
  readonly wrong: readonly string[];
}

const mostSeconds = 10;

/** The saved run, text, config and tokenizer that cases are made from. */
export async function makeMaterials(folder: string, place: (name: string) => string): Promise<Materials> {
  const [text, config, saved] = [place('text.txt'), place('config.json'), join(folder, 'run')];
  const shape = ['--seq-len', '16', '--global-batch', '2', '--steps', '2', '--layout', 'tp=1', '--seed', '3'];
  const made = await run('train', '--data', text, '--model', config, ...shape, '--out', saved, '--json');
  if (made.exit !== 0) throw new Error(`the run that cases are made from failed: ${made.stderr}`);
  const tokenizer = join(folder, 'tokenizer.json');
  cpSync(fileURLToPath(new URL('../fixtures/tokenizer/tokenizer.json', import.meta.url)), tokenizer);
  return { folder, run: saved, text, config, tokenizer };
}

export async function spoilInputs(options: {
  readonly seed: number;
  readonly cases: number;
  readonly materials: Materials;
  readonly folder: string;
  readonly onProgress?: (done: number) => void;
}): Promise<SpoiledReport> {
  const { cases } = options;
  const endings: Ending[] = [];
  const wrong: string[] = [];
  for (let next = 0; next < cases; ) {
    const hung = await runFrom(next, options, (ending) => {
      endings.push(ending);
      options.onProgress?.(endings.length);
    });
    if (hung === undefined) break;
    wrong.push(`case ${hung.number} (${hung.what}) ${hung.problem}: ${hung.argv.join(' ')}`);
    next = hung.number + 1;
  }
  for (const each of endings) {
    const problem = problemOf(each);
    if (problem)
      wrong.push(`case ${each.number} (${each.what}) ${problem}: ${each.stderr.trim()} <- ${each.argv.join(' ')}`);
  }
  const count = (exit: number): number => endings.filter((each) => each.exit === exit).length;
  return {
    cases: endings.length + wrong.filter((line) => line.includes('ended its process')).length,
    accepted: count(0),
    refused: count(2),
    diverged: endings.filter(isDivergence).length,
    slowestSeconds: Math.max(0, ...endings.map(({ seconds }) => seconds)),
    wrong,
  };
}

const isDivergence = ({ exit, stderr }: Ending): boolean =>
  exit === 1 && /no numbers|not numbers|ended with loss/.test(stderr);

function problemOf(ending: Ending): string | undefined {
  const { exit, lines, seconds } = ending;
  if (seconds > mostSeconds) return `took ${seconds.toFixed(1)} s`;
  if (exit === 0 || isDivergence(ending)) return undefined;
  if (exit !== 2) return `ended with ${exit}`;
  return lines === 1 ? undefined : `said ${lines} lines`;
}

interface Hung {
  readonly number: number;
  readonly what: string;
  readonly argv: readonly string[];
  readonly problem: string;
}

/** Cases from `first` on in one process; what a case hung or ended is returned. */
async function runFrom(
  first: number,
  { seed, cases, materials, folder }: Parameters<typeof spoilInputs>[0],
  onEnding: (ending: Ending) => void,
): Promise<Hung | undefined> {
  const program = fileURLToPath(new URL('./input-runner.ts', import.meta.url));
  const task = JSON.stringify({ seed, first, end: cases, materials, folder });
  const child = spawn(process.execPath, [...typescript, program, task], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text) => {
    said = `${said}${text}`.slice(-300);
  });
  let current: Omit<Hung, 'problem'> | undefined;
  let hung = false;
  // A process starts in some seconds; a case may take ten, and ten more when other work is on the machine.
  const watch = () =>
    setTimeout(
      () => {
        hung = true;
        child.kill('SIGKILL');
      },
      2 * mostSeconds * 1000,
    );
  let timer = watch();
  for await (const line of createInterface(child.stdout)) {
    clearTimeout(timer);
    timer = watch();
    const message = JSON.parse(line) as Ending & { begins?: number };
    if (message.begins !== undefined) current = { number: message.begins, what: message.what, argv: message.argv };
    else {
      onEnding(message);
      current = undefined;
    }
  }
  clearTimeout(timer);
  if (hung) return { ...(current ?? { number: first, what: 'start', argv: [] }), problem: 'hung and was killed' };
  return current && { ...current, problem: `ended its process (${said.trim()})` };
}
