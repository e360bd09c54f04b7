// The same training with PyTorch, where a Python that has it is given.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ModelSource } from '../src/checkpoint/model-source.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import type { ModelConfig } from '../src/model/config.ts';
import { paramSpecs } from '../src/model/params.ts';
import { stageParts } from '../src/model/stages.ts';
import { benchShape } from './model.ts';

export interface TorchRun {
  readonly tokensPerSecond: number;
  /** Versions. */
  readonly torch: string;
  readonly transformers: string;
  readonly python: string;
  readonly parameters: number;
}

const script = fileURLToPath(new URL('./torch_llama.py', import.meta.url));

/** `python`: an interpreter that has torch and transformers. */
export function trainWithTorch(python: string, { config }: ModelSource, threads: number, steps: number): TorchRun {
  const job = JSON.stringify({ ...benchShape, config: config.source, threads, steps });
  const env = { ...process.env, OMP_NUM_THREADS: `${threads}`, MKL_NUM_THREADS: `${threads}` };
  const { status, stdout, stderr, error } = spawnSync(python, [script, job], { encoding: 'utf8', env });
  if (error) throw error;
  if (status !== 0) throw new Error(`${python} ${script} ended with status ${status}:\n${stderr}`);
  const run = JSON.parse(stdout.trim().split('\n').at(-1)!) as TorchRun;
  const ours = parametersOf(config);
  if (run.parameters !== ours)
    throw new Error(`PyTorch trained a model of ${run.parameters} parameters, not of ${ours}: no comparison`);
  return run;
}

/** A tied matrix counts once. */
function parametersOf(config: ModelConfig): number {
  const alone = parseLayout('tp=1');
  const specs = stageParts(config, alone, 0).flatMap((part) => paramSpecs(config, alone, part));
  const sizes = new Map(specs.map(({ name, shape }) => [name, shape.reduce((product, size) => product * size, 1)]));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}
