// The transport's calls by the name that a program's collectives have: a new collective is one line here.
import type { Group } from '../mesh/mesh.ts';
import type { GroupCall } from '../mesh/traffic.ts';
import type { CallShape } from '../program/program.ts';
import type { Transport, Vector } from './transport/transport.ts';

export interface CollectiveCall {
  readonly group: Group;
  readonly how: CallShape;
  readonly site: string;
  readonly input: Vector;
  readonly output: Vector;
  /** Rows to and from every member of an allToAllV. */
  readonly counts?: { readonly sent: Int32Array; readonly received: Int32Array };
}

type Call = (transport: Transport, call: CollectiveCall) => void;

const cutOf = ({ outer, inner }: CallShape) => ({ outer: outer!, inner: inner! });

export const callOf: Readonly<Record<GroupCall, Call>> = {
  allReduce(transport, { group, how, site, input, output }) {
    // An output of its own leaves the operand as it is.
    if (!sameMemory(input, output)) output.set(input);
    transport.allReduce(group, output, how.reduce!, site);
  },
  allGather: (transport, { group, how, site, input, output }) =>
    transport.allGather(group, input, output, cutOf(how), site, how.still),
  reduceScatter: (transport, { group, how, site, input, output }) =>
    transport.reduceScatter(group, input, output, cutOf(how), site),
  allToAll: (transport, { group, site, input, output }) => transport.allToAll(group, input, output, site),
  allToAllV: (transport, { group, how, site, input, output, counts }) =>
    transport.allToAllV(group, { input, output, ...counts!, width: how.width! }, site),
  ringShift: (transport, { group, how, site, input, output }) =>
    transport.ringShift(group, input, output, how.shift!, site),
  broadcast(transport, { group, how, site, input, output }) {
    if (!sameMemory(input, output)) output.set(input);
    transport.broadcast(group, output, how.root!, site);
  },
};

const sameMemory = (a: Vector, b: Vector): boolean => a.buffer === b.buffer && a.byteOffset === b.byteOffset;
