// Random lifetimes of buffers, and greedy by size said most plainly: what the planning of memory is held against.
import fc from 'fast-check';
import { alignment, type Lifetime, type Placed } from '../src/program/lives.ts';

/** Of a program whose instructions go to `latest` or somewhat beyond; half of them live for a few of them. */
export const lifetimeOf = (bytes: fc.Arbitrary<number>, latest: number): fc.Arbitrary<Lifetime> =>
  fc
    .record({ bytes, first: fc.nat(latest), length: fc.oneof(fc.nat(4), fc.nat(latest)) })
    .map(({ bytes, first, length }) => ({ bytes, first, last: first + length }));

/** What a buffer takes. */
export const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** By what they take, of one size as they come, each compared with all that are placed. */
export function plainlyBySize(lifetimes: readonly Lifetime[]): Placed {
  const offsets = new Float64Array(lifetimes.length);
  const placed: { from: number; to: number; first: number; last: number }[] = [];
  const order = [...lifetimes.entries()].sort(([, a], [, b]) => aligned(b.bytes) - aligned(a.bytes));
  for (const [index, { bytes, first, last }] of order) {
    const size = aligned(bytes);
    if (size === 0) continue;
    let from = 0;
    for (const other of placed.toSorted((a, b) => a.from - b.from))
      if (other.first <= last && first <= other.last && other.from < from + size) from = Math.max(from, other.to);
    placed.push({ from, to: from + size, first, last });
    offsets[index] = from;
  }
  return { offsets, bytes: Math.max(0, ...placed.map(({ to }) => to)) };
}
