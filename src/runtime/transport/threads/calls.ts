// A call as a few numbers, so that peers compare it in nanoseconds; and its text for errors.
import type { Vector } from '../transport.ts';

export const opNames = [
  'nothing',
  'allReduce(sum)',
  'allReduce(max)',
  'allGather',
  'reduceScatter',
  'allToAll',
  'allToAllV',
  'ringShift',
  'broadcast',
  'barrier',
  'send',
  'recv',
] as const;

export const opCode = {
  sum: 1,
  max: 2,
  allGather: 3,
  reduceScatter: 4,
  allToAll: 5,
  allToAllV: 6,
  ringShift: 7,
  broadcast: 8,
  barrier: 9,
  send: 10,
  recv: 11,
} as const;

const typeNames = ['', 'f32', 'f64', 'i32'];

export const typeCode = (data: Vector): number =>
  data instanceof Float32Array ? 1 : data instanceof Float64Array ? 2 : 3;

export const typeName = (code: number): string => typeNames[code] ?? '?';

/** What a rank called. `inner`: also the elements of a row of an allToAllV, whose `count` is what the rank sends. `extra`: the root of a broadcast, the shift of a ring shift, the tag of a message, 1 for a gather of still shards. */
export interface Call {
  readonly op: number;
  readonly type: number;
  readonly count: number;
  readonly outer: number;
  readonly inner: number;
  readonly extra: number;
  readonly site: string;
}

/** e.g. `allGather f32[24] cut 2x12 at "block 3 attention"`, `allToAllV f32[24] in rows of 4 at "experts"` or `send f32[24] tag 3 at "stage 1"`. */
export function callText(call: Call): string {
  const { op, type, count, outer, inner, extra, site } = call;
  const data = op === opCode.barrier ? '' : ` ${typeName(type)}[${count}]`;
  return `${opNames[op] ?? '?'}${data}${cutText(op, outer, inner)}${extraText(op, extra)} at "${site}"`;
}

function cutText(op: number, outer: number, inner: number): string {
  if (op === opCode.allToAllV) return ` in rows of ${inner}`;
  return op === opCode.allGather || op === opCode.reduceScatter ? ` cut ${outer}x${inner}` : '';
}

function extraText(op: number, extra: number): string {
  if (op === opCode.broadcast) return ` from member ${extra}`;
  if (op === opCode.ringShift) return ` by ${extra}`;
  if (op === opCode.allGather) return extra === 1 ? ' still' : '';
  return op === opCode.send || op === opCode.recv ? ` tag ${extra}` : '';
}
