// The same training with PyTorch, where a Python that has it is given.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ModelSource } from '../src/checkpoint/model-source.ts';
import { benchShape } from './model.ts';

export interface TorchRun {
  readonly tokensPerSecond: number;
  /** Versions. */
  readonly torch: string;
  readonly transformers: string;
  readonly python: string;
}

const script = fileURLToPath(new URL('./torch_llama.py', import.meta.url));

/** `python`: an interpreter that has torch and transformers. */
export function trainWithTorch(python: string, { config }: ModelSource, threads: number, steps: number): TorchRun {
  const job = JSON.stringify({ ...benchShape, config: config.source, threads, steps });
  const env = { ...process.env, OMP_NUM_THREADS: `${threads}`, MKL_NUM_THREADS: `${threads}` };
  const text = execFileSync(python, [script, job], { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] });
  return JSON.parse(text.trim().split('\n').at(-1)!) as TorchRun;
}
