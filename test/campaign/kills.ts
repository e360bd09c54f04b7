// Kills runs in the middle of saving, at moments a seed chooses, and goes on from what they leave: nothing torn, nothing wrong.
import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jsonLines, run } from '../cli-fixture.ts';
import { typescript } from '../typescript.ts';
import type { Materials } from './inputs.ts';
import type { Random } from './random.ts';

export interface KillReport {
  readonly kills: number;
  /** Kills that left a checkpoint. */
  readonly withCheckpoint: number;
  readonly wrong: readonly string[];
}

const steps = 60;
const layouts = ['tp=1', 'tp=2', 'dp=2', 'pp=2'] as const;
const entry = fileURLToPath(new URL('../../src/cli/process.ts', import.meta.url));

const trained = (materials: Materials, layout: string): string[] => [
  ...['train', '--data', materials.text, '--model', materials.config, '--seq-len', '16', '--global-batch', '4'],
  ...['--steps', `${steps}`, '--layout', layout, '--precision', 'f64', '--json'],
];

/** Losses by step. */
function lossesIn(stdout: string): Map<number, number> {
  const lines = jsonLines(stdout).filter((line) => 'loss' in line) as { step: number; loss: number }[];
  return new Map(lines.map(({ step, loss }) => [step, loss]));
}

/** Runs a program until it has said it did step `after`, then some milliseconds more, and kills it. */
function killAfter(argv: readonly string[], after: number, milliseconds: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...typescript, entry, ...argv], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let counted = 0;
    child.stdout.on('data', (text: Buffer) => {
      const before = counted;
      counted += text.toString().split('"loss"').length - 1;
      if (before < after && counted >= after) setTimeout(() => child.kill('SIGKILL'), milliseconds);
    });
    child.on('error', reject);
    child.on('close', () => resolve());
  });
}

export async function killRuns(options: {
  readonly random: Random;
  readonly kills: number;
  readonly materials: Materials;
  readonly folder: string;
  readonly onProgress?: (done: number) => void;
}): Promise<KillReport> {
  const { random, materials, folder } = options;
  const wrong: string[] = [];
  const whole = new Map<string, Map<number, number>>();
  for (const layout of layouts) whole.set(layout, lossesIn((await run(...trained(materials, layout))).stdout));
  let withCheckpoint = 0;
  for (let kill = 0; kill < options.kills; kill++) {
    const layout = layouts[kill % layouts.length]!;
    const out = join(folder, `killed-${kill}`);
    await killAfter(
      [...trained(materials, layout), '--save-every', '1', '--out', out],
      1 + random.below(6),
      random.below(40),
    );
    options.onProgress?.(kill + 1);
    if (!existsSync(join(out, 'model.safetensors.index.json'))) continue;
    withCheckpoint++;
    const goneOn = await run('train', '--resume', out, '--json');
    const name = `kill ${kill} (${layout})`;
    if (goneOn.exit !== 0) wrong.push(`${name}: cannot be gone on with: ${goneOn.stderr.trim()}`);
    else {
      const losses = [...lossesIn(goneOn.stdout)];
      const other = losses.find(([step, loss]) => whole.get(layout)!.get(step) !== loss);
      if (other) wrong.push(`${name}: step ${other[0]} has loss ${other[1]}, and another without the kill`);
      if (losses.at(-1)?.[0] !== steps) wrong.push(`${name}: did not go on to step ${steps}`);
    }
    rmSync(out, { recursive: true });
  }
  return { kills: options.kills, withCheckpoint, wrong };
}
