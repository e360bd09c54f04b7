// Predicts the memory that a run takes of one machine, by walking the programs that will run: what all ranks hold, the messages
// under way between them, what ONNX Runtime takes for itself, and the process.
import { coordsOf, worldSize } from '../mesh/mesh.ts';
import { lower } from '../program/lower.ts';
import { lowerKernel } from '../program/lower-kernel.ts';
import { elementBytes, elements } from '../program/program.ts';
import { scratchBytes } from '../program/scratch.ts';
import { savedVectors } from '../state/saved.ts';
import { outerRoles, type StateRole } from '../state/vectors.ts';
import { buildLogitsStep } from '../step/forward-step.ts';
import { trainingState } from '../step/outer-step.ts';
import type { StepSettings } from '../step/settings.ts';
import type { RankProgram } from '../step/step.ts';
import { forwardTalkOf, type Talk, talkOf } from '../step/talk.ts';
import { trainingPrograms } from '../step/training-step.ts';
import { memoryOf } from './predict-step.ts';
import { rankClasses } from './stage-ranks.ts';

/** Bytes of all ranks together. */
export interface MemoryEstimate {
  readonly weights: number;
  readonly gradients: number;
  readonly optimizer: number;
  /** Activations and tokens. */
  readonly activations: number;
  /** Messages between stages. */
  readonly channels: number;
  /** What ONNX Runtime takes for values inside of its sessions. */
  readonly scratch: number;
  /** Copies of what is saved while steps run, and the thread that writes them. */
  readonly snapshots: number;
  /** The ranks' threads, compiled sessions and instructions, and ONNX Runtime itself. */
  readonly runtime: number;
  /** Node with our code, before any rank. */
  readonly base: number;
  readonly total: number;
  /** By how much resident memory grows when the ranks run: all but the base. */
  readonly processBytes: number;
}

const MB = 2 ** 20;
const KB = 2 ** 10;

// Resident memory of the built program on Linux with Node 20, of which buffers, channels and scratch were taken off: see
// bench/resident-memory.ts, which holds runs against them.
/** Before the ranks start, tokens prepared and the step planned. */
const nodeBytes = 76 * MB;
/** ONNX Runtime's library and the threads that compile JavaScript, whatever the ranks: from runs of 1, 2 and 4. */
const libraryBytes = 37 * MB;
/** A rank's thread: V8's heap with the code (26 before it does anything), and what compiling leaves: 37 made small runs 0.89 of the estimate. */
const rankBytes = 30 * MB;
/** The thread that writes checkpoints: V8's heap with the code: 18 and 27 of two runs. */
const writerBytes = 22 * MB;
/** A session at rest: many of the segments of a step, side by side. */
const sessionBytes = 200 * KB;
/** Copies of a constant that a session keeps, settled: of one of 16 MB, made four times; right after making, 4 to 5.6. */
const constantCopies = 2.3;
/** Of the buffers, tensors and closures of an instruction: 7,400 of them against 65. */
const instructionBytes = 4.5 * KB;
/** What the arena of all sessions holds over the most in use at once, for pieces too small for what comes next: 1.1 to 1.75, 2.1 of 1 MB. */
const heldOverUsed = 1.2;

/** Of a training step. */
export const estimateTraining = (settings: StepSettings): MemoryEstimate =>
  estimatePrograms(
    rankClasses(settings).map(({ rank, ranks }) => ({ ranks, programs: trainingPrograms(settings, rank) })),
    talkOf(settings),
  );

/** Of generating with a window of `seqLen`. */
export const estimateGeneration = (settings: StepSettings): MemoryEstimate =>
  estimatePrograms(
    rankClasses(settings).map(({ rank, ranks }) => ({ ranks, programs: [buildLogitsStep(settings, rank)] })),
    forwardTalkOf(settings),
  );

/** Programs that so many ranks have alike. */
export interface AlikePrograms {
  readonly ranks: number;
  readonly programs: readonly RankProgram[];
}

/** Of the programs of all ranks: a rank's first one's state serves all of it, and they take turns in one arena. */
export function estimatePrograms(classes: readonly AlikePrograms[], talk: Talk): MemoryEstimate {
  const parted = classes.map(({ ranks, programs }) => ({ ranks, parts: partsOf(programs) }));
  const all = (key: keyof Parts) => parted.reduce((sum, { ranks, parts }) => sum + ranks * parts[key], 0);
  const parts = {
    weights: all('weights'),
    gradients: all('gradients'),
    optimizer: all('optimizer'),
    activations: all('activations'),
    // A channel is a ring: messages come to lie everywhere in it.
    channels: talk.channels.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0),
    // Ranks run at once, so what they take of the one arena adds up.
    scratch: all('scratch'),
    snapshots: 0,
    runtime: libraryBytes + all('runtime'),
  };
  const processBytes = Math.round(Object.values(parts).reduce((sum, bytes) => sum + bytes, 0));
  return { ...parts, base: nodeBytes, total: nodeBytes + processBytes, processBytes };
}

/** The same for a run that saves while its steps run. */
export function withSnapshots(estimate: MemoryEstimate, settings: StepSettings): MemoryEstimate {
  const { layout, precision } = settings;
  const width = elementBytes('float', precision);
  let snapshots = writerBytes;
  for (let rank = 0; rank < worldSize(layout); rank++) {
    const coords = coordsOf(layout, rank);
    for (const { size } of savedVectors(trainingState(settings, coords).vectors, coords)) snapshots += size * width;
  }
  const { total, processBytes } = estimate;
  return { ...estimate, snapshots, total: total + snapshots, processBytes: processBytes + snapshots };
}

type Parts = Omit<MemoryEstimate, 'base' | 'total' | 'channels' | 'snapshots' | 'processBytes'>;

/** Of one rank. */
function partsOf(programs: readonly RankProgram[]): Parts {
  const [{ precision, state }] = programs as [RankProgram];
  const width = elementBytes('float', precision);
  const held = (...roles: StateRole[]) =>
    width * state.reduce((sum, { role, size }) => sum + (roles.includes(role) ? size : 0), 0);
  const memory = programs.map(memoryOf);
  const needs = programs.map(needsOf);
  return {
    weights: held('parameter'),
    gradients: held('gradient'),
    optimizer: held('firstMoment', 'secondMoment', ...outerRoles),
    activations: memory.reduce((sum, { own }) => sum + own, Math.max(...memory.map(({ activations }) => activations))),
    scratch: heldOverUsed * Math.max(...needs.map(({ scratch }) => scratch)),
    runtime: needs.reduce((sum, { atRest }) => sum + atRest, rankBytes),
  };
}

/** What a program takes beside its buffers: most at once while its sessions run, and what these and its instructions hold. */
function needsOf({ segments, instructions, precision }: RankProgram): { scratch: number; atRest: number } {
  const width = elementBytes('float', precision);
  const graphs = segments.map(({ piece }) => lower(piece, precision).graph);
  const nodes = new Set(instructions.flatMap((each) => (each.kind === 'blocks' ? [each.node] : [])));
  const kernels = new Set<string>();
  const scratch = graphs.map((graph) => scratchBytes(graph));
  for (const node of nodes) {
    const { execution } = node.op;
    if (execution.by !== 'blocks') continue;
    const largest = execution.largest(node.attrs, node);
    for (const kernel of Object.values(execution.kernels(node.attrs, node))) {
      scratch.push(scratchBytes(lowerKernel(kernel, precision).graph, largest));
      kernels.add(kernel.name);
    }
  }
  const constants = graphs.flatMap((graph) => graph.constants.map(({ shape }) => elements(shape) * width));
  return {
    scratch: Math.max(0, ...scratch),
    atRest:
      sessionBytes * (graphs.length + kernels.size) +
      constantCopies * constants.reduce((sum, bytes) => sum + bytes, 0) +
      instructionBytes * instructions.length,
  };
}
