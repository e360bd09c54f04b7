// Predicts what a rank's program will do, by walking it: bytes sent by axis and collective, FLOPs, memory.
import type { Axis } from '../mesh/mesh.ts';
import { type CollectiveOp, trafficBytes } from '../mesh/traffic.ts';
import type { Instruction, RankProgram } from '../step/step.ts';

/** Bytes one rank sends, by axis and collective. */
export type BytesSent = { readonly [axis in Axis | 'world']?: { readonly [op in CollectiveOp]?: number } };

export interface RankPrediction {
  readonly bytesSent: BytesSent;
  /** Matrix-multiply FLOPs. */
  readonly flops: number;
  /** Bytes of all buffers: weights, gradients, optimizer state, tokens and the arena of activations. */
  readonly peakBytes: number;
}

/** One run of the program. */
export function predictRank(program: RankProgram): RankPrediction {
  const bytesSent: { [axis: string]: { [op: string]: number } } = {};
  let flops = 0;
  for (const instruction of program.instructions) {
    if (instruction.kind === 'compute') flops += program.segments[instruction.segment]!.flops;
    const sent = sentBy(instruction, program);
    if (!sent) continue;
    bytesSent[sent.axis] ??= {};
    bytesSent[sent.axis]![sent.op] = (bytesSent[sent.axis]![sent.op] ?? 0) + sent.bytes;
  }
  const lasting = program.buffers.filter(({ role }) => role !== 'activation');
  const peakBytes = lasting.reduce((sum, { bytes }) => sum + bytes, program.arenaBytes);
  return { bytesSent, flops, peakBytes };
}

/** What an instruction counts as sent; undefined when it sends nothing. */
export function sentBy(
  instruction: Instruction,
  { buffers }: RankProgram,
): { axis: Axis | 'world'; op: CollectiveOp; bytes: number } | undefined {
  const bytesIn = (id: number) => buffers[id]!.bytes;
  switch (instruction.kind) {
    case 'allReduce':
    case 'allGather':
    case 'reduceScatter': {
      const { kind, group, input } = instruction;
      return { axis: group.axis, op: kind, bytes: trafficBytes(kind, bytesIn(input), group.ranks.length) };
    }
    case 'send':
      return { axis: 'pp', op: 'send', bytes: trafficBytes('send', bytesIn(instruction.buffer), 2) };
    default:
      return undefined;
  }
}

/** A prediction of `steps` runs. */
export function timesSteps(prediction: RankPrediction, steps: number): RankPrediction {
  const bytesSent = Object.fromEntries(
    Object.entries(prediction.bytesSent).map(([axis, ops]) => [
      axis,
      Object.fromEntries(Object.entries(ops ?? {}).map(([op, bytes]) => [op, bytes * steps])),
    ]),
  );
  return { bytesSent, flops: prediction.flops * steps, peakBytes: prediction.peakBytes };
}

/** What two programs of a rank send. */
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

/** Two programs of a rank, each with memory of its own. */
export const addPredictions = (a: RankPrediction, b: RankPrediction): RankPrediction => ({
  bytesSent: addBytes(a.bytesSent, b.bytesSent),
  flops: a.flops + b.flops,
  peakBytes: a.peakBytes + b.peakBytes,
});
