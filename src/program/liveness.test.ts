// Memory plans: buffers alive together lie apart, and arenas are hardly larger than what is alive at once: of random lifetimes no
// larger than greedy by size makes them, of pipelined steps nearly perfect, and that for as many as 64,000.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aligned, lifetimeOf, plainlyBySize } from '../../test/random-lifetimes.ts';
import { planMemory } from './liveness.ts';
import { alignment, type Lifetime } from './lives.ts';

/** Every pair, and every instruction. */
function expectSound(lifetimes: readonly Lifetime[]): void {
  const { offsets, bytes, peakBytes } = planMemory(lifetimes);
  expect(offsets.length).toBe(lifetimes.length);
  let overlaps = 0;
  let outside = 0;
  for (const [i, a] of lifetimes.entries()) {
    const [from, to] = [offsets[i]!, offsets[i]! + a.bytes];
    if (from < 0 || from % alignment !== 0 || to > bytes) outside += 1;
    for (let j = 0; j < i; j++) {
      const b = lifetimes[j]!;
      const together = a.first <= b.last && b.first <= a.last;
      if (together && from < offsets[j]! + b.bytes && offsets[j]! < to) overlaps += 1;
    }
  }
  expect({ overlaps, outside }).toEqual({ overlaps: 0, outside: 0 });
  // The most is alive when some buffer begins.
  let most = 0;
  for (const { first: at } of lifetimes) {
    let alive = 0;
    for (const { first, last, bytes: each } of lifetimes) if (first <= at && at <= last) alive += aligned(each);
    most = Math.max(most, alive);
  }
  expect(peakBytes).toBe(most);
  expect(bytes).toBeGreaterThanOrEqual(peakBytes);
}

const bytes = fc.oneof(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 100_000 }));
const lifetimes = fc
  .constantFrom(0, 5, 40, 300)
  .chain((latest) => fc.array(lifetimeOf(bytes, latest), { maxLength: 120, size: 'max' }));

describe('random lifetimes', () => {
  test('lie apart, aligned, in an arena that is never below the peak', () => {
    fc.assert(fc.property(lifetimes, expectSound), { numRuns: 300 });
  });

  test('need at most a twenty-fifth more than greedy by size', () => {
    const property = fc.property(lifetimes, (each) => {
      // A plan that near to the peak is taken at once, and no plan is below the peak.
      expect(planMemory(each).bytes).toBeLessThanOrEqual(plainlyBySize(each).bytes * 1.04);
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('of all alive at once are stacked', () => {
    const together = Array.from({ length: 50 }, (_, index) => ({ bytes: 100 + index, first: 0, last: 9 }));
    const { bytes, peakBytes } = planMemory(together);
    expect(bytes).toBe(peakBytes);
  });

  test('of none or of nothing need nothing', () => {
    expect(planMemory([])).toEqual({ offsets: [], bytes: 0, peakBytes: 0 });
    expect(planMemory([{ bytes: 0, first: 3, last: 5 }])).toEqual({ offsets: [0], bytes: 0, peakBytes: 0 });
  });
});

/** Bytes that a layer saves for its backward, and that its forward and its backward hold for a few instructions. */
const layer = {
  saved: [4, 4, 1.5, 1.5, 4, 0.1, 11, 11, 0.01],
  forward: [4, 4, 11, 4, 4, 0.3],
  backward: [11, 11, 4, 8, 1],
};

/** The buffers of one stage of 8 layers, by the order of its forwards and backwards. */
function pipelined(microbatches: number, warmUp: number): Lifetime[] {
  const all: Lifetime[] = [];
  const open: { bytes: number; first: number }[][] = [];
  let now = 0;
  const brief = (sizes: readonly number[], lives: number): void => {
    for (const [index, size] of sizes.entries()) {
      all.push({ bytes: size * 65536, first: now, last: now + 1 + (index % lives) });
      now += 1;
    }
  };
  const forward = (): void => {
    const saved: { bytes: number; first: number }[] = [];
    for (let each = 0; each < 8; each++) {
      for (const size of layer.saved) saved.push({ bytes: size * 65536, first: now++ });
      brief(layer.forward, 3);
    }
    open.push(saved);
  };
  const backward = (): void => {
    for (const [index, each] of open.shift()!.reverse().entries()) {
      if (index % layer.saved.length === 0) brief(layer.backward, 5);
      all.push({ ...each, last: now++ });
    }
  };
  for (let f = 0; f < warmUp; f++) forward();
  for (let b = 0; b < microbatches; b++) {
    if (warmUp + b < microbatches) forward();
    backward();
  }
  return all;
}

describe('pipelined steps', () => {
  test.each([
    ['1F1B', 8, 3],
    ['the last stage of 1F1B', 8, 0],
    ['GPipe', 8, 8],
  ])('%s of 8 microbatches: apart, and within a twenty-fifth of what is alive at once', (_, microbatches, warmUp) => {
    const step = pipelined(microbatches, warmUp);
    expectSound(step);
    const { bytes, peakBytes } = planMemory(step);
    expect(bytes / peakBytes).toBeLessThan(1.04);
  });

  test.each([
    ['1F1B', 7],
    ['GPipe', 400],
  ])('64,000 buffers in the order of %s', (_, warmUp) => {
    const step = pipelined(400, warmUp);
    expect(step.length).toBeGreaterThan(64_000 * 0.98);
    const start = performance.now();
    const { offsets, bytes, peakBytes } = planMemory(step);
    // Takes 0.1 s; comparing each with all that are alive takes 20 to 100.
    expect(performance.now() - start).toBeLessThan(2000);
    expect(bytes / peakBytes).toBeLessThan(1.04);
    // Every pair would be too many: those alive at some instructions, in the order of their offsets.
    for (let now = 0; now < step.at(-1)!.last; now += 9973) {
      const alive = step.flatMap((each, index) =>
        each.first <= now && now <= each.last ? [{ from: offsets[index]!, to: offsets[index]! + each.bytes }] : [],
      );
      alive.sort((a, b) => a.from - b.from);
      expect(alive.filter(({ to }, index) => to > (alive[index + 1]?.from ?? bytes))).toEqual([]);
    }
  });
});
