// Memory plans: those of the walk over every buffer placed before, which is what they are defined by.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { alignment, type Lifetime, planMemory } from './liveness.ts';

/** Greedy by size, each buffer compared with all that are placed. */
function slowOffsets(lifetimes: readonly Lifetime[]): number[] {
  const aligned = (bytes: number) => Math.ceil(bytes / alignment) * alignment;
  const order = lifetimes.map((_, index) => index).sort((a, b) => lifetimes[b]!.bytes - lifetimes[a]!.bytes || a - b);
  const placed: { offset: number; end: number; first: number; last: number }[] = [];
  const offsets = lifetimes.map(() => 0);
  for (const index of order) {
    const { first, last, bytes } = lifetimes[index]!;
    let offset = 0;
    for (const other of placed.toSorted((a, b) => a.offset - b.offset)) {
      if (other.last < first || other.first > last) continue;
      if (offset + aligned(bytes) <= other.offset) break;
      offset = Math.max(offset, other.end);
    }
    offsets[index] = offset;
    placed.push({ offset, end: offset + aligned(bytes), first, last });
  }
  return offsets;
}

const lifetime = fc
  .record({ bytes: fc.integer({ min: 0, max: 600 }), first: fc.nat(300), length: fc.oneof(fc.nat(4), fc.nat(300)) })
  .map(({ bytes, first, length }): Lifetime => ({ bytes, first, last: first + length }));

test('buffers are placed as when each is compared with all', () => {
  fc.assert(
    fc.property(fc.array(lifetime, { maxLength: 120 }), (lifetimes) => {
      expect(planMemory(lifetimes).offsets).toEqual(slowOffsets(lifetimes));
    }),
    { numRuns: 300 },
  );
});
