// Memory over 500 steps: does a rank's resident memory stay flat, and do its buffers keep to the plan? `npx tsx bench/memory.ts`.
import { fileURLToPath } from 'node:url';
import { findModel } from '../src/checkpoint/model-source.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { train } from '../src/train/train.ts';
import { formatBytes } from '../src/units.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { withTokens } from './model.ts';

export interface MemoryResult {
  readonly steps: number;
  /** Resident bytes of the process after these steps. */
  readonly samples: readonly { readonly step: number; readonly residentBytes: number }[];
  /** Straight line through the samples of the second half, in bytes a step. */
  readonly slopeBytesPerStep: number;
  /** Largest over the ranks: bytes allocated for buffers over the plan's. */
  readonly buffersOfPlan: number;
}

export function benchMemory(steps = 500): Promise<MemoryResult> {
  return withTokens(async (tokenFile) => {
    const samples: { step: number; residentBytes: number }[] = [];
    const summary = await train({
      model: findModel('llama-tiny'),
      data: tokenFile,
      layout: parseLayout('dp=2'),
      precision: 'f32',
      steps,
      learningRate: 1e-3,
      seed: 1,
      seqLen: 128,
      globalBatch: 4,
      microBatch: 1,
      onReport(report) {
        if (report.kind === 'step' && report.step % 25 === 0)
          samples.push({ step: report.step, residentBytes: process.memoryUsage.rss() });
      },
    });
    const late = samples.slice(samples.length / 2);
    const buffersOfPlan = Math.max(
      ...summary.ranks.map((rank, index) => rank.peakBytes / summary.predicted[index]!.peakBytes),
    );
    return { steps, samples, slopeBytesPerStep: slope(late), buffersOfPlan };
  });
}

/** Least squares. */
function slope(points: MemoryResult['samples']): number {
  const meanStep = points.reduce((sum, { step }) => sum + step, 0) / points.length;
  const meanBytes = points.reduce((sum, { residentBytes }) => sum + residentBytes, 0) / points.length;
  const covariance = points.reduce(
    (sum, { step, residentBytes }) => sum + (step - meanStep) * (residentBytes - meanBytes),
    0,
  );
  return covariance / points.reduce((sum, { step }) => sum + (step - meanStep) ** 2, 0);
}

export function memoryTable({ steps, samples, slopeBytesPerStep, buffersOfPlan }: MemoryResult): string {
  const shown = samples
    .filter((_, index) => index % 4 === 3)
    .map(({ step, residentBytes }) => `step ${step}: ${formatBytes(residentBytes)}`);
  return [
    `resident memory of two ranks over ${steps} steps: ${shown.join(', ')}`,
    `slope over the second half: ${formatBytes(Math.round(slopeBytesPerStep))} a step`,
    `buffers allocated over the plan: ${buffersOfPlan.toFixed(4)}`,
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const result = await benchMemory();
  console.log(`${memoryTable(result)}\n`);
  printVerdicts(judge(marks.memory, () => result.buffersOfPlan));
}
