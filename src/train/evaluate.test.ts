// Which held-out sequences are measured.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { EvaluationReport, TrainReport } from './job.ts';
import { train } from './train.ts';

test('a sample of the held-out sequences is of every source', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'evaluate-'));
  try {
    const path = (name: string) => join(folder, name);
    writeFileSync(path('a.txt'), 'a'.repeat(2000));
    writeFileSync(path('b.txt'), 'b'.repeat(2000));
    const lossOf = async (...names: string[]): Promise<number> => {
      const losses: number[] = [];
      await train({
        model: 'llama-tiny',
        set: ['hidden_size=32', 'num_hidden_layers=1', 'intermediate_size=32'],
        data: names.map(path),
        mix: [1, 1],
        seqLen: 16,
        layout: 'tp=1',
        precision: 'f64',
        steps: 1,
        // Weights stay as they were.
        learningRate: 1e-12,
        evalEvery: 1,
        evalSequences: 4,
        heldOut: 16,
        onReport: (report: TrainReport) => {
          if (report.kind === 'evaluation') losses.push((report as EvaluationReport).loss);
        },
      });
      return losses[0]!;
    };
    expect(await lossOf('a.txt', 'b.txt')).toBeCloseTo(await lossOf('b.txt', 'a.txt'), 6);
    expect(await lossOf('a.txt', 'a.txt')).not.toBeCloseTo(await lossOf('a.txt', 'b.txt'), 5);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
