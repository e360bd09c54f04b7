// Predicts what a rank's programs will do, by walking them: bytes sent by axis and collective, FLOPs, memory.
import type { GroupAxis } from '../mesh/mesh.ts';
import { type CollectiveOp, trafficBytes } from '../mesh/traffic.ts';
import { elementBytes, elements } from '../program/program.ts';
import type { Instruction, RankProgram } from '../step/step.ts';

/** Bytes one rank sends, by axis (or set of axes, as `tp+dp`) and collective. */
export type BytesSent = { readonly [axis in GroupAxis]?: { readonly [op in CollectiveOp]?: number } };

export interface RankPrediction {
  readonly bytesSent: BytesSent;
  /** Matrix-multiply FLOPs. */
  readonly flops: number;
  /** Bytes of all buffers: the state (weights, gradients, optimizer), tokens and the arena of activations. */
  readonly peakBytes: number;
}

/** A program of a rank, and how often it runs. */
export interface ProgramRuns {
  readonly program: RankProgram;
  readonly runs: number;
}

/** One run of a program. */
export const predictRank = (program: RankProgram): RankPrediction => predictPrograms([{ program, runs: 1 }]);

/** Several programs of one rank: the first's state serves all, and they take turns in one arena. */
export function predictPrograms(all: readonly ProgramRuns[]): RankPrediction {
  let bytesSent: BytesSent = {};
  let flops = 0;
  for (const { program, runs } of all) {
    const once = walk(program);
    flops += once.flops * runs;
    bytesSent = addBytes(bytesSent, timesBytes(once.bytesSent, runs));
  }
  const memory = all.map(({ program }) => memoryOf(program));
  const arena = Math.max(...memory.map(({ activations }) => activations));
  return {
    bytesSent,
    flops,
    peakBytes: memory.reduce((sum, { own }) => sum + own, stateBytes(all[0]!.program) + arena),
  };
}

/** What a program needs besides the rank's state, in bytes. */
export function memoryOf({ buffers, arenaBytes }: RankProgram): { readonly activations: number; readonly own: number } {
  const own = buffers.reduce((sum, buffer) => sum + (buffer.in === 'own' ? buffer.bytes : 0), 0);
  return { activations: arenaBytes, own };
}

/** Of all vectors of the rank's state. */
export const stateBytes = ({ state, precision }: RankProgram): number =>
  state.reduce((sum, { size }) => sum + size, 0) * elementBytes('float', precision);

function walk(program: RankProgram): Pick<RankPrediction, 'bytesSent' | 'flops'> {
  const bytesSent: { [axis: string]: { [op: string]: number } } = {};
  let flops = 0;
  for (const instruction of program.instructions) {
    flops += flopsOf(instruction, program);
    const sent = sentBy(instruction, program);
    if (!sent) continue;
    bytesSent[sent.axis] ??= {};
    bytesSent[sent.axis]![sent.op] = (bytesSent[sent.axis]![sent.op] ?? 0) + sent.bytes;
  }
  return { bytesSent, flops };
}

/** Matrix-multiply FLOPs of an instruction. */
export function flopsOf(instruction: Instruction, { segments }: RankProgram): number {
  if (instruction.kind === 'compute') return segments[instruction.segment]!.flops;
  return instruction.kind === 'blocks' ? instruction.flops : 0;
}

/** What an instruction counts as sent; undefined when it sends nothing. */
export function sentBy(
  instruction: Instruction,
  { buffers }: RankProgram,
): { axis: GroupAxis; op: CollectiveOp; bytes: number } | undefined {
  switch (instruction.kind) {
    case 'collective': {
      const { call, group, input, how } = instruction;
      const { bytes, shape } = buffers[input]!;
      // Of rows that are counted at run time: as many as there are on average.
      const width = how.width === undefined ? undefined : (bytes / elements(shape)) * how.width;
      const vector = width === undefined ? bytes : how.rows! * width;
      return { axis: group.axis, op: call, bytes: trafficBytes(call, vector, group.ranks.length) };
    }
    case 'send':
      return { axis: 'pp', op: 'send', bytes: trafficBytes('send', buffers[instruction.buffer]!.bytes, 2) };
    default:
      return undefined;
  }
}

/** What is sent in so many runs. */
export const timesBytes = (bytesSent: BytesSent, runs: number): BytesSent =>
  Object.fromEntries(
    Object.entries(bytesSent).map(([axis, ops]) => [
      axis,
      Object.fromEntries(Object.entries(ops ?? {}).map(([op, bytes]) => [op, bytes * runs])),
    ]),
  );

/** What is sent in both. */
export function addBytes(a: BytesSent, b: BytesSent): BytesSent {
  const sum: { [axis: string]: { [op: string]: number } } = {};
  for (const each of [a, b])
    for (const [axis, ops] of Object.entries(each))
      for (const [op, bytes] of Object.entries(ops ?? {})) {
        sum[axis] ??= {};
        sum[axis][op] = (sum[axis][op] ?? 0) + bytes;
      }
  return sum;
}

/** A prediction with more sent. */
export const alsoSending = (prediction: RankPrediction, more: BytesSent): RankPrediction => ({
  ...prediction,
  bytesSent: addBytes(prediction.bytesSent, more),
});
