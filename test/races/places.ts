// What lies at a byte of shared memory, in words: `slot of member 1, parity 0, of tp 0,1`.
import type { Group } from '../../src/mesh/mesh.ts';
import {
  channelDataAt,
  channelWord,
  headersWord,
  headerWords,
} from '../../src/runtime/transport/threads/channel-map.ts';
import { type GroupMap, lineBytes } from '../../src/runtime/transport/threads/memory-map.ts';
import type { ThreadsShared } from '../../src/runtime/transport/threads/world-state.ts';
import type { Access, Race } from './happens-before.ts';

export function placeOf({ map, plan }: ThreadsShared, memory: number, byte: number): string {
  if (memory > plan.channels.length) return `registered memory of rank ${memory - 1 - plan.channels.length}`;
  if (memory > 0) {
    const { from, to, messages } = plan.channels[memory - 1]!;
    return `${inChannel(byte, messages)} of the channel ${from} to ${to}`;
  }
  for (const [index, group] of plan.groups.entries()) {
    const place = inGroup(byte, map.groups[index]!, group, map.slotStride);
    if (place !== undefined) return `${place} of ${group.axis} ${group.ranks.join(',')}`;
  }
  return 'what belongs to no group';
}

function inGroup(byte: number, map: GroupMap, { ranks }: Group, stride: number): string | undefined {
  const size = ranks.length;
  if (size === 1 || byte < map.lines || byte >= map.scratch + size * stride) return undefined;
  if (byte >= map.scratch) return `scratch of member ${Math.floor((byte - map.scratch) / stride)}`;
  if (byte >= map.outputs) return `output of parity ${Math.floor((byte - map.outputs) / stride)}`;
  const slot = Math.floor((byte - map.slots) / stride);
  if (slot >= 0) return `slot of member ${slot % size}, parity ${Math.floor(slot / size)},`;
  const line = Math.floor((byte - map.lines) / lineBytes);
  return `line of member ${line >> 1}, parity ${line & 1},`;
}

function inChannel(byte: number, messages: number): string {
  if (byte >= channelDataAt(messages)) return 'bytes';
  if (byte >= 4 * headersWord) return `header ${Math.floor((byte / 4 - headersWord) / headerWords)}`;
  const counter = Object.entries(channelWord).find(([, word]) => word === byte >> 2);
  return counter ? `counter "${counter[0]}"` : 'padding';
}

/** `rank 0 (copyOut) in call 3, allReduce ...`. */
const accessText = ({ rank, kind, call }: Access, nameOf: (call: number) => string): string =>
  `rank ${rank} (${kind}) in call ${call}, ${nameOf(call)}`;

/** One line; `nameOf` says what call i was. */
export function raceText(
  shared: ThreadsShared,
  { memory, at, accesses }: Race,
  nameOf: (call: number) => string,
): string {
  const [first, second] = accesses.map((access) => accessText(access, nameOf));
  return `${placeOf(shared, memory, at)}: ${first}; ${second}`;
}
