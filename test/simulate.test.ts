// The simulator on small numbers, and with it every collective's gradient, on every mesh and beside every type of another axis.
import { describe, expect, test } from 'vitest';
import { coordsOf, type Mesh } from '../src/mesh/mesh.ts';
import { dispatch } from '../src/model/dispatch.ts';
import {
  allGather,
  allReduce,
  allReduceMax,
  collectiveOps,
  enter,
  ownSlice,
  reduceScatter,
} from '../src/ops/collectives.ts';
import { groupedLinear } from '../src/ops/grouped-linear.ts';
import { enterLocal, exchangeBlocks, leaveLocal, localOps, ringShift } from '../src/ops/local.ts';
import { vocabMax } from '../src/ops/loss.ts';
import { scaleRows } from '../src/ops/rows.ts';
import type { NdArray, Op, Shape, Trace, Value } from '../src/program/program.ts';
import { apply, finish, input, startTrace } from '../src/program/trace.ts';
import type { AxisType, Types } from '../src/program/types.ts';
import { checkGradients } from './check-gradients.ts';
import { simulate } from './simulate.ts';

const one = { tp: 1, cp: 1, ep: 1, dp: 1, pp: 1 };

/** What each of two tp ranks (or 2 × 2 tp and dp ranks) gets of the data each holds. */
function onRanks(
  mesh: Mesh,
  shape: Shape,
  type: AxisType,
  data: readonly (readonly number[])[],
  write: (x: Value, trace: Trace) => Value,
): number[][] {
  const programs = data.map((_, rank) => {
    const trace = startTrace(mesh, coordsOf(mesh, rank));
    const x = input(trace, shape, { tp: type });
    return finish(trace, { x }, { y: write(x, trace) });
  });
  const inputs = data.map((numbers) => ({ x: { shape, data: Float64Array.from(numbers) } satisfies NdArray }));
  return simulate(mesh, programs, inputs).map(({ y }) => [...y!.data]);
}

describe('what collectives do with numbers', () => {
  const two = { ...one, tp: 2 };
  const three = { ...one, tp: 3 };

  test('a shift gives each rank what a rank before it holds, round the ring', () => {
    const given = [
      [1, 2],
      [3, 4],
      [5, 6],
    ];
    const shifted = (by: number) => onRanks(three, [2], 'L', given, (x) => ringShift(x, 'tp', by));
    expect(shifted(1)).toEqual([
      [5, 6],
      [1, 2],
      [3, 4],
    ]);
    expect(shifted(-1)).toEqual([
      [3, 4],
      [5, 6],
      [1, 2],
    ]);
  });

  test('blocks are exchanged: block i goes to rank i, block j comes from rank j', () => {
    const given = [
      [11, 12, 13],
      [21, 22, 23],
      [31, 32, 33],
    ];
    expect(onRanks(three, [3], 'L', given, (x) => exchangeBlocks(x, 'tp'))).toEqual([
      [11, 21, 31],
      [12, 22, 32],
      [13, 23, 33],
    ]);
  });

  test('all-reduce adds over the axis alone', () => {
    const mesh = { ...two, dp: 2 };
    const sums = onRanks(
      mesh,
      [2],
      'P',
      [
        [1, 2],
        [10, 20],
        [100, 200],
        [1000, 2000],
      ],
      (x) => allReduce(x, 'tp', 'I'),
    );
    expect(sums).toEqual([
      [11, 22],
      [11, 22],
      [1100, 2200],
      [1100, 2200],
    ]);
  });
  test('all-gather joins on a dim, in the order of the axis', () => {
    expect(
      onRanks(
        two,
        [2, 1],
        'V1',
        [
          [1, 2],
          [3, 4],
        ],
        (x) => allGather(x, 'tp', 1),
      ),
    ).toEqual([
      [1, 3, 2, 4],
      [1, 3, 2, 4],
    ]);
    expect(
      onRanks(
        two,
        [1, 2],
        'V0',
        [
          [1, 2],
          [3, 4],
        ],
        (x) => allGather(x, 'tp', 0),
      ),
    ).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ]);
  });
  test('reduce-scatter leaves each rank its part of the sum', () => {
    expect(
      onRanks(
        two,
        [2, 2],
        'P',
        [
          [1, 2, 3, 4],
          [10, 20, 30, 40],
        ],
        (x) => reduceScatter(x, 'tp', 1),
      ),
    ).toEqual([
      [11, 33],
      [22, 44],
    ]);
  });
  test('own slice keeps the even share, or the part asked for', () => {
    expect(
      onRanks(
        two,
        [4],
        'I',
        [
          [1, 2, 3, 4],
          [1, 2, 3, 4],
        ],
        (x) => ownSlice(x, 'tp', 0),
      ),
    ).toEqual([
      [1, 2],
      [3, 4],
    ]);
    const same = [5, 6, 7];
    expect(onRanks(two, [3], 'R', [same, same], (x) => ownSlice(x, 'tp', 0, { start: 1, size: 1 }))).toEqual([
      [6],
      [6],
    ]);
  });
  test('all-reduce by maximum completes a partial maximum', () => {
    const most = onRanks(
      two,
      [1, 1, 2],
      'V2',
      [
        [1, 7],
        [5, 3],
      ],
      (x) => allReduceMax(vocabMax(x, { valid: 2 }), 'tp'),
    );
    expect(most).toEqual([[7], [7]]);
  });
});

interface Transition {
  readonly name: string;
  readonly op: string;
  readonly from: AxisType;
  readonly to: AxisType;
  readonly backward: readonly string[];
  readonly move: (x: Value) => Value;
  /** [1, 12] if not given. */
  readonly shape?: (ranks: number) => Shape;
}

/** The tables of collectives.ts and local.ts, a row each. Shapes divide by 2, 3 and 4 in dim 1. */
const transitions: readonly Transition[] = [
  { name: 'enter', op: 'enter', from: 'I', to: 'R', backward: ['allReduce'], move: (x) => enter(x, 'tp') },
  {
    name: 'all-reduce to I',
    op: 'allReduce',
    from: 'P',
    to: 'I',
    backward: ['enter'],
    move: (x) => allReduce(x, 'tp', 'I'),
  },
  {
    name: 'all-reduce to R',
    op: 'allReduce',
    from: 'P',
    to: 'R',
    backward: ['allReduce'],
    move: (x) => allReduce(x, 'tp', 'R'),
  },
  {
    name: 'all-gather to R',
    op: 'allGather',
    from: 'V1',
    to: 'R',
    backward: ['reduceScatter'],
    move: (x) => allGather(x, 'tp', 1),
  },
  {
    name: 'all-gather dim 0 to R',
    op: 'allGather',
    from: 'V0',
    to: 'R',
    backward: ['reduceScatter'],
    move: (x) => allGather(x, 'tp', 0),
  },
  {
    name: 'reduce-scatter',
    op: 'reduceScatter',
    from: 'P',
    to: 'V1',
    backward: ['allGather'],
    move: (x) => reduceScatter(x, 'tp', 1),
  },
  {
    name: 'all-gather to I',
    op: 'allGather',
    from: 'V1',
    to: 'I',
    backward: ['ownSlice'],
    move: (x) => allGather(x, 'tp', 1, 'I'),
  },
  {
    name: 'own slice of I',
    op: 'ownSlice',
    from: 'I',
    to: 'V1',
    backward: ['allGather'],
    move: (x) => ownSlice(x, 'tp', 1),
  },
  {
    name: 'own slice of R',
    op: 'ownSlice',
    from: 'R',
    to: 'V1',
    backward: ['ownPad'],
    move: (x) => ownSlice(x, 'tp', 1),
  },
  {
    name: 'overlapping slices of R',
    op: 'ownSlice',
    from: 'R',
    to: 'O1',
    backward: ['ownPad'],
    move: (x) => ownSlice(x, 'tp', 1, { start: 2 * x.trace.coords.tp, size: 5 }),
  },
  {
    name: 'into a local region',
    op: 'enterLocal',
    from: 'V1',
    to: 'L',
    backward: ['leaveLocal'],
    move: (x) => enterLocal(x, 'tp'),
  },
  {
    name: 'out of a local region',
    op: 'leaveLocal',
    from: 'L',
    to: 'V1',
    backward: ['enterLocal'],
    move: (x) => leaveLocal(x, 'tp', 'V1'),
  },
  {
    name: 'into a local region, what all hold',
    op: 'enterLocal',
    from: 'R',
    to: 'L',
    backward: ['leaveLocal'],
    move: (x) => enterLocal(x, 'tp'),
  },
  {
    name: 'into a local region, terms of a sum',
    op: 'enterLocal',
    from: 'P',
    to: 'L',
    backward: ['leaveLocal'],
    move: (x) => enterLocal(x, 'tp'),
  },
  {
    name: 'out of a local region, as terms of a sum',
    op: 'leaveLocal',
    from: 'L',
    to: 'P',
    backward: ['enterLocal'],
    move: (x) => leaveLocal(x, 'tp', 'P'),
  },
  {
    name: 'a shift round the ring',
    op: 'ringShift',
    from: 'L',
    to: 'L',
    backward: ['ringShift'],
    move: (x) => ringShift(x, 'tp', 1),
  },
  {
    name: 'a shift by two places back',
    op: 'ringShift',
    from: 'L',
    to: 'L',
    backward: ['ringShift'],
    move: (x) => ringShift(x, 'tp', -2),
  },
  {
    name: 'blocks exchanged',
    op: 'exchangeBlocks',
    from: 'L',
    to: 'L',
    backward: ['exchangeBlocks'],
    shape: (ranks) => [ranks, 12],
    move: (x) => exchangeBlocks(x, 'tp'),
  },
];

describe('the gradient of every collective', () => {
  const meshes = [2, 3, 4].flatMap((tp) => (['R', 'I', 'V0', 'O0', 'P'] as const).map((other) => ({ tp, other })));
  test.each(transitions)('$name', ({ from, to, backward, move, shape = () => [1, 12] }) => {
    for (const { tp, other } of meshes) {
      const { error, program, compared } = checkGradients({
        mesh: { ...one, tp, dp: 2 },
        given: { x: { shape: shape(tp), types: { tp: from, dp: other } } },
        write: ({ x }) => [move(x!)],
        step: 1,
      });
      // The loss is linear: only the rounding of sums remains.
      expect(error).toBeLessThan(1e-12);
      expect(compared).toBeGreaterThanOrEqual(12);
      const y = program.nodes[0]!.outputs[0]!;
      expect(y.types).toEqual({ tp: to, dp: other });
      expect(program.nodes.slice(1).map(({ op }) => op.name)).toEqual(backward);
    }
  });

  test('covers every collective there is', () => {
    const proved = new Set(transitions.flatMap(({ op, backward }) => [op, ...backward]));
    expect([...proved].sort()).toEqual(
      [...Object.values(collectiveOps), ...Object.values(localOps).filter(({ execution }) => execution.by !== 'onnx')]
        .map(({ name }) => name)
        .sort(),
    );
  });

  test('rows go to the ranks of their experts and back, with the gradients of tokens, weights and experts', () => {
    // Two experts on each of two ranks, tokens of two replicas on rings of two: slots of one rank, of another, and of none (-1).
    const cut: Types = { ep: 'V0', dp: 'V0', cp: 'V1' };
    const { error, compared, program } = checkGradients({
      mesh: { ...one, ep: 2, dp: 2, cp: 2 },
      given: {
        h: { shape: [1, 3, 2], types: cut },
        experts: { shape: [1, 3, 2], types: cut, below: 4 },
        weights: { shape: [1, 3, 2, 1], types: cut },
        up: { shape: [2, 3, 2], types: { ep: 'V0' } },
        down: { shape: [2, 2, 3], types: { ep: 'V0' } },
      },
      write: ({ h, experts, weights, up, down }) => {
        const there = dispatch(h!, { weights: weights!, experts: experts!, kept: experts!, filled: {}, most: 3 }, 4);
        const made = groupedLinear(there.tokens, there.experts, there.own(up!), 'slots', there.filled);
        const scaled = scaleRows(made, there.weights);
        return [there.combine(groupedLinear(scaled, there.experts, there.own(down!), 'tokens', there.filled))];
      },
    });
    // Products of four: differences of a polynomial, by steps of 1e-4.
    expect(error).toBeLessThan(1e-7);
    expect(compared).toBeGreaterThan(8 * (6 + 6) + 2 * 24 - 1);
    expect(program.nodes.filter(({ op }) => op.name === 'exchangeRows').length).toBeGreaterThan(4);
  });

  test('the check notices a wrong gradient', () => {
    const doubled: Op = {
      name: 'doubled',
      shape: ([x]) => [x!],
      typing: { dims: 'a b -> a b', linear: 'all' },
      vjp: ({ gradients: [g] }) => [g],
      execution: { by: 'nobody' },
      reference: ([x]) => [{ shape: x!.shape, data: x!.data.map((value) => 2 * value) }],
    };
    for (const type of ['R', 'I', 'V1', 'P'] as const) {
      const given = { x: { shape: [1, 12], types: { tp: type } } };
      const { error } = checkGradients({ mesh: { ...one, tp: 2 }, given, write: ({ x }) => apply(doubled, [x!], {}) });
      expect(error).toBeGreaterThan(0.2);
    }
  });

  test('a collective over an axis of one rank is nothing', () => {
    const trace = startTrace(one, coordsOf(one, 0));
    const x = input(trace, [2, 12], {});
    for (const { move, name } of transitions) if (name !== 'overlapping slices of R') expect(move(x)).toBe(x);
    expect(trace.nodes).toEqual([]);
  });
});
