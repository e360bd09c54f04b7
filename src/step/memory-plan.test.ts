// Where buffers lie: those alive together never overlap, and the arena is hardly more than the most that is alive at once.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { accesses, mostAlive } from '../../test/arena-lives.ts';
import { anyCase, settingsOf } from '../../test/random-cases.ts';
import { parseLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import { parseModelConfig } from '../model/families.ts';
import { presets } from '../model/presets.ts';
import { planMemory } from '../program/liveness.ts';
import { alignment, type Lifetime } from '../program/lives.ts';
import type { Buffer, RankProgram } from './step.ts';
import { buildTrainingStep } from './training-step.ts';

interface Placed extends Lifetime {
  readonly offset: number;
}

function expectApart(placed: readonly Placed[]): void {
  for (const [i, a] of placed.entries())
    for (const b of placed.slice(i + 1)) {
      const together = a.first <= b.last && b.first <= a.last;
      const overlap = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
      expect(together && overlap).toBe(false);
    }
}

const lifetime = fc
  .record({ bytes: fc.integer({ min: 1, max: 5000 }), first: fc.nat(40), length: fc.nat(15) })
  .map(({ bytes, first, length }) => ({ bytes, first, last: first + length }));

test('random lifetimes: apart, aligned, and never below the peak', () => {
  fc.assert(
    fc.property(fc.array(lifetime, { maxLength: 60 }), (lifetimes) => {
      const { offsets, bytes, peakBytes } = planMemory(lifetimes);
      const placed = lifetimes.map((each, index) => ({ ...each, offset: offsets[index]! }));
      expectApart(placed);
      expect(placed.every(({ offset }) => offset % alignment === 0)).toBe(true);
      expect(placed.every((each) => each.offset + each.bytes <= bytes)).toBe(true);
      expect(bytes).toBeGreaterThanOrEqual(peakBytes);
    }),
  );
});

/** Plays a program on an arena that remembers which buffer each four bytes were written to; views count as what they are views of. */
function expectReadAsWritten({ buffers, instructions, arenaBytes }: RankProgram): number {
  const writer = new Int32Array(arenaBytes / 4).fill(-1);
  let reads = 0;
  const placeOf = (id: number) => {
    const { in: where, bytes } = buffers[id]!;
    if (where === 'own' || !('arena' in where)) return undefined;
    return { root: where.root, words: [where.arena / 4, (where.arena + bytes) / 4] as const };
  };
  for (const instruction of instructions) {
    const { reads: read, writes } = accesses(instruction);
    for (const id of read) {
      const place = placeOf(id);
      if (!place) continue;
      const from = new Set(writer.subarray(...place.words));
      const wrong = [...from].filter((by) => by !== place.root).map((by) => buffers[by]?.name ?? 'nobody');
      expect(wrong, `${instruction.site} reads ${buffers[id]!.name}`).toEqual([]);
      reads += 1;
    }
    for (const id of writes) {
      const place = placeOf(id);
      if (place) writer.fill(place.root, ...place.words);
    }
  }
  return reads;
}

test('in real steps everything is read as it was written last', () => {
  fc.assert(
    fc.property(anyCase, fc.nat(100), (each, pick) => {
      const settings = settingsOf(each, 'f32');
      const step = buildTrainingStep(settings, pick % worldSize(settings.layout));
      expect(expectReadAsWritten(step)).toBeGreaterThan(0);
    }),
    { numRuns: 100 },
  );
});

test('a plan that lets two live buffers overlap is seen', () => {
  const config = parseModelConfig(presets['llama-tiny'], 'llama-tiny');
  const layout = parseLayout('pp=2,schedule=gpipe');
  const settings = { config, layout, seqLen: 8, microBatch: 1, microbatches: 2, precision: 'f32' } as const;
  const step = buildTrainingStep(settings, 0);
  /** The program with its arena's buffers moved to where the first of the same key lies. */
  const moved = (keyOf: (buffer: Buffer) => string): RankProgram => {
    const places = new Map<string, number>();
    const buffers = step.buffers.map((each): Buffer => {
      if (each.in === 'own' || !('arena' in each.in)) return each;
      const arena = places.get(keyOf(each)) ?? each.in.arena;
      places.set(keyOf(each), arena);
      return { ...each, in: { ...each.in, arena } };
    });
    return { ...step, buffers };
  };
  expectReadAsWritten(moved(({ id }) => `${id}`));
  expect(() => expectReadAsWritten(moved(({ bytes }) => `${bytes}`))).toThrow('reads');
  // All of gpipe's microbatches wait for their backward: what one left, the next writes over.
  expect(() => expectReadAsWritten(moved(({ name, bytes }) => `${name} ${bytes}`))).toThrow('reads');
});

test.each([
  ['llama-small', 'tp=1', 256],
  ['llama-small', 'tp=2,pp=2,sp', 256],
  ['gpt2', 'pp=4,schedule=gpipe', 512],
  ['gpt2', 'tp=4,pp=3', 1024],
] as const)('%s in %s: the arena is within a tenth of what is alive at once', (name, text, seqLen) => {
  const layout = parseLayout(text);
  const config = parseModelConfig(presets[name], name);
  for (let rank = 0; rank < worldSize(layout); rank++) {
    const settings = { config, layout, seqLen, microBatch: 1, microbatches: 8, precision: 'f32' } as const;
    const step = buildTrainingStep(settings, rank);
    const alive = mostAlive(step);
    expect(step.livePeakBytes).toBe(alive);
    expect(step.arenaBytes).toBeGreaterThanOrEqual(alive);
    expect(step.arenaBytes / alive).toBeLessThan(1.1);
  }
});
