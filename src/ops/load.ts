// How many slots each expert has, of every sequence or of all; and sums of a step, in doubles.
import type { Op, Value } from '../program/program.ts';
import { expectShape } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { expectSame, float, ndarray } from './shapes.ts';

interface Counting {
  readonly experts: number;
  /** Of every sequence, floats [b, experts]; of all together, doubles [experts]. */
  readonly of: 'sequences' | 'all';
}

const slotCountsOp: Op<Counting> = {
  name: 'slotCounts',
  shape: ([slots], { experts, of }) => {
    expectShape(
      slots!.dtype === 'int' && slots!.shape.length === 3,
      `needs experts [b, s, k] of type int, got ${slots!.dtype} [${slots!.shape}]`,
    );
    return [of === 'all' ? { shape: [experts], dtype: 'double' } : float([slots!.shape[0]!, experts])];
  },
  typing: (_, { of }) => ({ dims: `b s k! -> ${of === 'all' ? 'e' : 'b e'}` }),
  execution: {
    by: 'host',
    run: ([slots], [counts], { experts, of }, { inputs }) => {
      const together = of === 'all' ? slots!.length : slots!.length / inputs[0]!.shape[0]!;
      counts!.fill(0);
      for (let slot = 0; slot < slots!.length; slot++)
        if (slots![slot]! >= 0) counts![Math.floor(slot / together) * experts + slots![slot]!]! += 1;
    },
  },
  reference: ([slots], { experts, of }) => {
    const [batch, ...each] = slots!.shape as [number, number, number];
    const ofSequence = each[0]! * each[1]!;
    const rows = Array.from({ length: batch }, (_, row) => [
      ...slots!.data.subarray(row * ofSequence, (row + 1) * ofSequence),
    ]);
    const groups = of === 'all' ? [rows.flat()] : rows;
    const count = (i: number) => groups[Math.floor(i / experts)]!.filter((found) => found === i % experts).length;
    return [ndarray(of === 'all' ? [experts] : [batch, experts], count)];
  },
};

const addAsDoublesOp: Op = {
  name: 'addAsDoubles',
  shape: ([sums, numbers]) => {
    expectSame(sums!, numbers!);
    expectShape(
      sums!.dtype === 'double' && sums!.shape.length === 1,
      `needs sums [n] of type double, got ${sums!.dtype} [${sums!.shape}]`,
    );
    return [sums!];
  },
  typing: { dims: 'n, n -> n', linear: 'all' },
  inPlace: [0],
  execution: {
    by: 'host',
    run: ([, numbers], [sums]) => {
      for (let i = 0; i < sums!.length; i++) sums![i]! += numbers![i]!;
    },
  },
  reference: ([sums, numbers]) => [ndarray(sums!.shape, (i) => sums!.data[i]! + numbers!.data[i]!)],
};

/** Where in their vectors the biases of a layer and its counts of slots begin. */
export interface LoadRow {
  readonly bias: number;
  readonly load: number;
  readonly experts: number;
}

interface Moving {
  readonly rows: readonly LoadRow[];
  /** By how much a step moves a bias. */
  readonly rate: number;
}

const moveByLoadOp: Op<Moving> = {
  name: 'moveByLoad',
  shape: ([biases, told], { rows }) => {
    const [most, counts] = [biases!.shape[0]!, told!.shape[0]!];
    expectShape(
      told!.dtype === 'double' &&
        rows.every((row) => row.bias + row.experts <= most && row.load + row.experts <= counts),
      `needs biases and counts (double) for ${rows.length} layers, got [${biases!.shape}] and ${told!.dtype} [${told!.shape}]`,
    );
    return [float(biases!.shape)];
  },
  typing: { dims: 'n!, m! -> n' },
  inPlace: [0],
  execution: {
    by: 'host',
    run: ([, told], [biases], { rows, rate }) => {
      for (const { bias, load, experts } of rows) {
        let sum = 0;
        for (let i = 0; i < experts; i++) sum += told![load + i]!;
        for (let i = 0; i < experts; i++) biases![bias + i]! += rate * Math.sign(sum - experts * told![load + i]!);
      }
    },
  },
  reference: ([biases, told], { rows, rate }) => {
    const moved = ndarray(biases!.shape, (i) => biases!.data[i]!);
    for (const { bias, load, experts } of rows) {
      const counts = told!.data.subarray(load, load + experts);
      const mean = counts.reduce((sum, count) => sum + count, 0) / experts;
      for (const [i, count] of counts.entries()) moved.data[bias + i]! += rate * Math.sign(mean - count);
    }
    return [moved];
  },
};

/** Experts [b, s, k] -> how many slots each has in every sequence [b, experts]. Slots of expert -1 are none's. */
export const slotsOfSequences = (slots: Value, experts: number): Value =>
  apply<Counting>(slotCountsOp, [slots], { experts, of: 'sequences' })[0]!;
/** Experts [b, s, k] -> how many slots each has in all [experts], doubles. */
export const slotsOfAll = (slots: Value, experts: number): Value =>
  apply<Counting>(slotCountsOp, [slots], { experts, of: 'all' })[0]!;
/** Sums [n] of doubles + numbers [n], in place. */
export const addAsDoubles = (sums: Value, numbers: Value): Value => apply(addAsDoublesOp, [sums, numbers], {})[0]!;

/**
 * Biases [n] of routers and counts of slots among other numbers [m], doubles -> biases moved by `rate` towards even use, in place: up where
 * an expert has fewer slots than the mean, down where it has more (Wang et al., "Auxiliary-loss-free load balancing", 2024, algorithm 1).
 */
export const moveByLoad = (biases: Value, told: Value, attrs: Moving): Value =>
  apply(moveByLoadOp, [biases, told], attrs)[0]!;

export const loadOps = { slotCountsOp, addAsDoublesOp, moveByLoadOp };
