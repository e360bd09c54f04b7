// The model and data that the training benchmarks share: a Llama of hidden size 512 with 8 layers, 8 sequences of 512 tokens a step.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findModel, type ModelSource } from '../src/checkpoint/model-source.ts';
import { findCorpus } from '../src/data/sample-corpus.ts';
import { byteTokenizer } from '../src/data/tokenizer.ts';
import { prepareTokens } from '../src/data/tokens.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import type { WorldPool } from '../src/runtime/world-pool.ts';
import type { TrainSummary } from '../src/train/launch.ts';
import { train } from '../src/train/train.ts';

export const benchModel = findModel('llama-medium');
/** The same with the vocabulary of a usual tokenizer. */
export const wideModel = findModel('llama-medium', ['vocab_size=32000']);
export const benchShape = { seqLen: 512, globalBatch: 8, microBatch: 1 } as const;

/** Runs `use` with a file of byte tokens of this project's own documents and packages. */
export async function withTokens<T>(use: (tokenFile: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'fivefold-bench-'));
  try {
    const { files } = await findCorpus(process.cwd(), 2e6);
    const { sources } = await prepareTokens({
      sources: [{ files }],
      tokenizer: byteTokenizer,
      cacheDirectory: folder,
    });
    return await use(sources[0]!.path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Tokens a second by the median step after the first, as PyTorch and the bare products are timed. */
export const speedOf = ({ steps }: TrainSummary): number =>
  (benchShape.globalBatch * benchShape.seqLen) / median(steps.slice(1).map(({ seconds }) => seconds));

/** A few steps in a layout. */
export const trainFor = (
  layout: string,
  steps: number,
  tokenFile: string,
  pool: WorldPool,
  model: ModelSource = benchModel,
  trace?: string,
): Promise<TrainSummary> =>
  train({
    ...benchShape,
    model,
    data: tokenFile,
    layout: parseLayout(layout),
    precision: 'f32',
    steps,
    learningRate: 3e-4,
    seed: 1,
    pool,
    ...(trace === undefined ? {} : { trace }),
  });

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1]!, sorted[sorted.length >> 1]!];
  return (low + high) / 2;
}
