// Runs what `scale` compares: every layout in turn, repeatedly, and between them the rates of the machine itself.

import type { Layout } from '../mesh/layout.ts';
import { replicasOf, worldSize } from '../mesh/mesh.ts';
import type { Precision } from '../program/onnx-builder.ts';
import { measureTalkCost, type TalkCost } from '../runtime/all-reduce-rate.ts';
import { measureMatrixRate } from '../runtime/matrix-rate.ts';
import { createPool } from '../runtime/world-pool.ts';
import type { Played } from '../schedule/play.ts';
import { scheduleOf } from '../schedule/schedules.ts';
import { idleShare, playMedian, readTimelines, type Timeline } from '../train/timeline.ts';
import { type TrainOptions, train } from '../train/train.ts';
import { type CliIo, throwIfStopped } from './io.ts';
import { imbalance, median, type ScaleResult } from './scaling.ts';
import { createProgress } from './ui/progress.ts';

/** A layout to run, with the batch it runs on. */
export interface Candidate {
  readonly axis: ScaleResult['axis'];
  readonly layout: Layout;
  readonly globalBatch: number;
  readonly microBatch: number;
}

/** Medians over all repeats. */
export interface Run {
  readonly stepSeconds: number;
  readonly communicationShare: number;
  readonly imbalance: number;
  /** Matrix FLOPs of a step of all ranks, as they were counted. */
  readonly flops: number;
  /** Of a pipeline that was traced. */
  readonly pipeline?: PipelineRun;
}

export interface PipelineRun {
  readonly idleShare: number;
  /** The schedule with work as long as it was measured to be. */
  readonly played: Played;
}

/** Of as many ranks as the key says. */
export interface MachineRates {
  readonly matrixFlopsPerSecond: ReadonlyMap<number, number>;
  readonly talk: ReadonlyMap<number, TalkCost>;
}

export interface ScalingRuns {
  readonly candidates: readonly Candidate[];
  readonly options: Omit<TrainOptions, 'layout' | 'globalBatch' | 'microBatch'> & { readonly precision: Precision };
  readonly repeats: number;
  /** Where traces of pipelines are written, one after the other; undefined: none are traced. */
  readonly traceFile?: string;
  /** No progress bar. */
  readonly quiet: boolean;
}

/** Measures all candidates and rates once, then all once more, and so on: other load on the machine hits them alike. */
export async function runScaling(
  { candidates, options, repeats, traceFile, quiet }: ScalingRuns,
  io: CliIo,
): Promise<{ runs: readonly Run[]; rates: MachineRates }> {
  const counts = [...new Set([1, ...candidates.map(({ layout }) => worldSize(layout))])];
  const seconds = candidates.map((): number[] => []);
  const shares = candidates.map((): number[] => []);
  const imbalances = candidates.map((): number[] => []);
  const flops = candidates.map(() => 0);
  const timelines = candidates.map((): Timeline[] => []);
  const matrix = new Map(counts.map((ranks) => [ranks, [] as number[]]));
  const talk = new Map(counts.filter((ranks) => ranks > 1).map((ranks) => [ranks, [] as TalkCost[]]));
  const pool = createPool();
  const progress = quiet
    ? undefined
    : createProgress({ total: repeats * candidates.length, label: 'scale', stream: io.stderr });
  let done = 0;
  const common = { pool, signal: io.signal };
  try {
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const [ranks, found] of matrix)
        found.push(await measureMatrixRate({ ranks, precision: options.precision, ...common }));
      for (const [ranks, found] of talk) found.push(await measureTalkCost({ ranks, ...common }));
      for (const [index, { layout, globalBatch, microBatch }] of candidates.entries()) {
        const trace = layout.pp > 1 ? traceFile : undefined;
        const traced = trace === undefined ? {} : { trace };
        const { steps, ranks } = await train({ ...options, layout, globalBatch, microBatch, ...traced, ...common });
        if (trace !== undefined) timelines[index]!.push(...readTimelines(trace).slice(1));
        seconds[index]!.push(...steps.slice(1).map((step) => step.seconds));
        const talking = ranks.reduce((sum, { communicationSeconds }) => sum + communicationSeconds, 0);
        const computing = ranks.reduce((sum, { computeSeconds }) => sum + computeSeconds, 0);
        shares[index]!.push(talking / (talking + computing));
        imbalances[index]!.push(imbalance(ranks.map(({ computeSeconds }) => computeSeconds)));
        flops[index] = ranks.reduce((sum, rank) => sum + rank.flops, 0) / steps.length;
        progress?.update({ step: ++done });
      }
    }
  } catch (error) {
    throwIfStopped(io);
    throw error;
  } finally {
    progress?.stop();
    await pool.close();
  }
  return {
    runs: candidates.map((candidate, index) => ({
      stepSeconds: median(seconds[index]!),
      communicationShare: median(shares[index]!),
      imbalance: median(imbalances[index]!),
      flops: flops[index]!,
      ...(timelines[index]!.length > 0 ? { pipeline: pipelineRun(candidate, timelines[index]!) } : {}),
    })),
    rates: {
      matrixFlopsPerSecond: new Map([...matrix].map(([ranks, found]) => [ranks, median(found)])),
      talk: new Map(
        [...talk].map(([ranks, found]) => [
          ranks,
          {
            secondsPerCall: median(found.map(({ secondsPerCall }) => secondsPerCall)),
            secondsPerByte: median(found.map(({ secondsPerByte }) => secondsPerByte)),
          },
        ]),
      ),
    },
  };
}

const pipelineRun = ({ layout, globalBatch, microBatch }: Candidate, timelines: readonly Timeline[]): PipelineRun => ({
  idleShare: median(timelines.map(idleShare)),
  played: playMedian(scheduleOf(layout, globalBatch / replicasOf(layout) / microBatch), timelines),
});
