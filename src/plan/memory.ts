// Estimates the memory that a run takes of one machine: what all ranks hold, what ONNX Runtime takes for itself, and the process.
import { coordsOf, worldSize } from '../mesh/mesh.ts';
import { type PartName, paramSpecs, shardShape } from '../model/params.ts';
import { residualShape, type TraceSettings } from '../model/parts.ts';
import { elements } from '../program/program.ts';
import { schedules } from '../schedule/schedules.ts';
import { verify } from '../schedule/verify.ts';
import type { WindowSettings } from '../step/forward-step.ts';
import type { StepSettings } from '../step/settings.ts';
import { stageParts } from '../step/stages.ts';
import { type Footprint, forwardFootprint, trainingFootprint } from './footprint.ts';

/** Bytes of all ranks together. */
export interface MemoryEstimate {
  readonly weights: number;
  readonly gradients: number;
  readonly optimizer: number;
  /** Activations, tokens, and messages between stages. */
  readonly activations: number;
  /** What ONNX Runtime takes for values inside of its sessions. */
  readonly scratch: number;
  /** The process and its threads, with nothing to do. */
  readonly base: number;
  readonly total: number;
}

const MB = 2 ** 20;
/** Resident memory of Node with our code and ONNX Runtime's library, and of each rank's thread; see bench/resident-memory.ts. */
const processBytes = 115 * MB;
const rankBytes = 73 * MB;

/** The peak of resident memory that was measured lies between 0.88 and 1.08 of it (bench/resident-memory.ts, and 15 more shapes). */
export function estimateTraining(settings: StepSettings): MemoryEstimate {
  const { config, layout, precision, microBatch, microbatches, seqLen } = settings;
  const trace: TraceSettings = { config, layout, coords: coordsOf(layout, 0), batch: microBatch, seqLen, lossScale: 1 };
  const footprints = memoised((part) => trainingFootprint(part, trace, precision));
  const width = precision === 'f64' ? 8 : 4;
  const residual = elements(residualShape(trace)) * width;
  const proof = verify(schedules[layout.schedule](layout.pp, microbatches));
  const tokens = microBatch * seqLen * 4 * microbatches;
  const stages = Array.from({ length: layout.pp }, (_, stage) => {
    const parts = partsOf(settings, stage);
    const live = proof.peakLive[stage]!;
    const ends = (stage === 0 ? 1 : 0) + (stage === layout.pp - 1 ? 1 : 0);
    const messages = proof.peakInFlight
      .filter(({ from }) => from === stage)
      .reduce((sum, each) => sum + each.messages, 0);
    return {
      weights: parameterBytes(settings, parts, width),
      activations: activationBytes(parts, footprints, live) + ends * tokens + messages * residual,
      scratch: scratchOf(parts, footprints),
    };
  });
  const { weights, activations, scratch } = addUp(stages, layout.tp * layout.dp);
  return finished({ weights, gradients: weights, optimizer: 2 * weights, activations, scratch }, worldSize(layout));
}

/** Of generating with a window of `seqLen`. */
export function estimateGeneration(settings: WindowSettings): MemoryEstimate {
  const { config, layout, precision, batch, seqLen } = settings;
  const trace: TraceSettings = { config, layout, coords: coordsOf(layout, 0), batch, seqLen, lossScale: 1 };
  const footprints = memoised((part) => forwardFootprint(part, trace, precision));
  const width = precision === 'f64' ? 8 : 4;
  const stages = Array.from({ length: layout.pp }, (_, stage) => {
    const parts = partsOf(settings, stage);
    return {
      weights: parameterBytes(settings, parts, width),
      activations: Math.max(...parts.map(({ name }) => footprints(name).forwardBytes)),
      scratch: scratchOf(parts, footprints),
    };
  });
  const { weights, activations, scratch } = addUp(stages, layout.tp * layout.dp);
  return finished({ weights, gradients: 0, optimizer: 0, activations, scratch }, worldSize(layout));
}

/** A part of a stage and how often it is there. */
interface Parts {
  readonly name: PartName;
  readonly count: number;
}

function partsOf({ config, layout }: Pick<StepSettings, 'config' | 'layout'>, stage: number): Parts[] {
  const counts = new Map<PartName, number>();
  for (const { name } of stageParts(config, layout, stage)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => ({ name, count }));
}

/** Of one rank. A tensor that two parts of a stage share counts once. */
function parameterBytes(
  { config, layout }: Pick<StepSettings, 'config' | 'layout'>,
  parts: readonly Parts[],
  width: number,
): number {
  const shared = new Map<string, number>();
  let bytes = 0;
  for (const { name, count } of parts)
    for (const spec of paramSpecs(config, layout, { name, layer: 0 })) {
      const size = elements(shardShape(spec, layout)) * width;
      if (name === 'block') bytes += count * size;
      else shared.set(spec.name, size);
    }
  return [...shared.values()].reduce((sum, size) => sum + size, bytes);
}

/**
 * The most activations of a rank alive at once, with `live` microbatches under way: all but one rest with what their backward
 * passes read; the last one is in the forward or the backward pass of some part, with all parts before it kept.
 */
function activationBytes(parts: readonly Parts[], footprints: (name: PartName) => Footprint, live: number): number {
  let before = 0;
  let peak = 0;
  for (const { name, count } of parts) {
    const { keptBytes, forwardBytes, backwardBytes } = footprints(name);
    peak = Math.max(peak, before + (count - 1) * keptBytes + Math.max(forwardBytes, backwardBytes));
    before += count * keptBytes;
  }
  return (live - 1) * before + peak;
}

const scratchOf = (parts: readonly Parts[], footprints: (name: PartName) => Footprint): number =>
  parts.reduce((sum, { name }) => sum + footprints(name).scratchBytes, 0);

type Counted = Pick<MemoryEstimate, 'weights' | 'activations' | 'scratch'>;

/** All ranks of all stages; those of a stage are alike. */
const addUp = (stages: readonly Counted[], ranksPerStage: number): Counted => {
  const all = (key: keyof Counted) => ranksPerStage * stages.reduce((sum, stage) => sum + stage[key], 0);
  return { weights: all('weights'), activations: all('activations'), scratch: all('scratch') };
};

function finished(counted: Omit<MemoryEstimate, 'base' | 'total'>, ranks: number): MemoryEstimate {
  const base = processBytes + ranks * rankBytes;
  const { weights, gradients, optimizer, activations, scratch } = counted;
  return { ...counted, base, total: weights + gradients + optimizer + activations + scratch + base };
}

function memoised(compute: (name: PartName) => Footprint): (name: PartName) => Footprint {
  const known = new Map<PartName, Footprint>();
  return (name) => {
    const found = known.get(name) ?? compute(name);
    known.set(name, found);
    return found;
  };
}
