// A call as a few numbers, so that peers compare it in nanoseconds; and its text for errors.
import type { Vector } from '../transport.ts';

export const opNames = [
  'nothing',
  'allReduce(sum)',
  'allReduce(max)',
  'allGather',
  'reduceScatter',
  'allToAll',
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
  ringShift: 6,
  broadcast: 7,
  barrier: 8,
  send: 9,
  recv: 10,
} as const;

const typeNames = ['', 'f32', 'f64', 'i32'];

export const typeCode = (data: Vector): number =>
  data instanceof Float32Array ? 1 : data instanceof Float64Array ? 2 : 3;

export const typeName = (code: number): string => typeNames[code] ?? '?';

/** What a rank called. `extra`: the root of a broadcast, the shift of a ring shift, the tag of a message, 1 for a gather of still shards. */
export interface Call {
  readonly op: number;
  readonly type: number;
  readonly count: number;
  readonly outer: number;
  readonly inner: number;
  readonly extra: number;
  readonly site: string;
}

/** e.g. `allGather f32[24] cut 2x12 at "block 3 attention"` or `send f32[24] tag 3 at "stage 1"`. */
export function callText(call: Call): string {
  const { op, type, count, outer, inner, extra, site } = call;
  const data = op === opCode.barrier ? '' : ` ${typeName(type)}[${count}]`;
  const cut = op === opCode.allGather || op === opCode.reduceScatter ? ` cut ${outer}x${inner}` : '';
  return `${opNames[op] ?? '?'}${data}${cut}${extraText(op, extra)} at "${site}"`;
}

function extraText(op: number, extra: number): string {
  if (op === opCode.broadcast) return ` from member ${extra}`;
  if (op === opCode.ringShift) return ` by ${extra}`;
  if (op === opCode.allGather) return extra === 1 ? ' still' : '';
  return op === opCode.send || op === opCode.recv ? ` tag ${extra}` : '';
}
