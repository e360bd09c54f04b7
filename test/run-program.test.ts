// Programs and functions that the library runs on ranks: what they compute is what the simulator does, and bad input is refused.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FivefoldError } from '../src/errors.ts';
import { oneRank } from '../src/mesh/layout.ts';
import { coordsOf, type Mesh, worldSize } from '../src/mesh/mesh.ts';
import type { TrafficCounters } from '../src/mesh/traffic.ts';
import { allReduce } from '../src/ops/collectives.ts';
import { accumulate, add, scale } from '../src/ops/elementwise.ts';
import { embedding } from '../src/ops/embedding.ts';
import { predictRank } from '../src/plan/predict-step.ts';
import { elements, type NdArray, type Program, type Trace } from '../src/program/program.ts';
import { finish, input, startTrace } from '../src/program/trace.ts';
import { compileProgram } from '../src/runtime/compile-program.ts';
import { type ProgramRun, runProgram } from '../src/runtime/run-program.ts';
import { runRanks } from '../src/runtime/run-ranks.ts';
import type { Transport } from '../src/runtime/transport/transport.ts';
import { tracedStep } from '../src/step/traced-step.ts';
import { aloneTransport } from './alone-transport.ts';
import type { CompiledRun } from './compile-rank.ts';
import { randomNumbers } from './random-numbers.ts';
import { anyProgram, writeRandom } from './random-programs.ts';
import { sharedPool } from './shared-pool.ts';
import { simulate } from './simulate.ts';

const pool = sharedPool();
const rankModule = new URL('./compile-rank.ts', import.meta.url).href;

const programsOf = (mesh: Mesh, write: (trace: Trace) => Program): Program[] =>
  Array.from({ length: worldSize(mesh) }, (_, rank) => write(startTrace(mesh, coordsOf(mesh, rank))));

/** Numbers of every rank's own: the simulator does with them what the ranks do, alike or not. */
function draw(programs: readonly Program[]): Record<string, NdArray>[] {
  const random = randomNumbers(7);
  return programs.map(({ inputs }) =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, { shape }]) => [
        name,
        { shape, data: Float64Array.from({ length: elements(shape) }, () => 2 * random() - 1) },
      ]),
    ),
  );
}

const numbersOf = (inputs: Readonly<Record<string, NdArray>>) =>
  Object.fromEntries(Object.entries(inputs).map(([name, { data }]) => [name, data]));

/** The largest difference, over the largest number (or one). */
function difference(got: Readonly<Record<string, ArrayLike<number>>>, expected: Readonly<Record<string, NdArray>>) {
  expect(Object.keys(got)).toEqual(Object.keys(expected));
  return Math.max(
    ...Object.entries(expected).map(([name, { data }]) => {
      expect(got[name]!.length).toBe(data.length);
      const most = Math.max(1, ...data.map(Math.abs));
      return Math.max(...data.map((value, index) => Math.abs(value - got[name]![index]!))) / most;
    }),
  );
}

test('random programs give on ranks what the simulator gives, with their gradients', async () => {
  await fc.assert(
    fc.asyncProperty(anyProgram, async (random) => {
      const { mesh } = random;
      const write = (trace: Trace) => writeRandom(random, trace);
      const programs = programsOf(mesh, write);
      const inputs = draw(programs);
      const outputs = await runProgram({ mesh, write, inputs: inputs.map(numbersOf), precision: 'f64', pool });
      // Rounding of f64 in another order of sums.
      for (const [rank, expected] of simulate(mesh, programs, inputs).entries())
        expect(difference(outputs[rank]!, expected)).toBeLessThan(1e-12);
    }),
    { numRuns: 40 },
  );
});

test('random programs have every kind of collective', () => {
  const programs = fc.sample(anyProgram, { numRuns: 200, seed: 1 });
  const names = programs.flatMap((random) =>
    writeRandom(random, startTrace(random.mesh, coordsOf(random.mesh, 0))).nodes.map(({ op }) => op.name),
  );
  const collectives = ['allGather', 'allReduce', 'reduceScatter', 'ringShift'];
  for (const name of collectives) expect(names.filter((each) => each === name).length, name).toBeGreaterThan(30);
});

test('a compiled program runs again on new inputs, sends and computes what is predicted, and keeps its inputs', async () => {
  await fc.assert(
    fc.asyncProperty(anyProgram, async (random) => {
      const { mesh } = random;
      const programs = programsOf(mesh, (trace) => writeRandom(random, trace));
      const runs = [draw(programs), draw(programs).toReversed()];
      const jobs = programs.map((_, rank) => ({ random, runs: runs.map((each) => numbersOf(each[rank]!)) }));
      const ranks = await runRanks<CompiledRun>(rankModule, jobs, { mesh, pool });
      for (const [index, inputs] of runs.entries())
        for (const [rank, expected] of simulate(mesh, programs, inputs).entries())
          expect(difference(ranks[rank]!.outputs[index]!, expected)).toBeLessThan(1e-12);
      for (const [rank, { counters, flops, inputs }] of ranks.entries()) {
        const predicted = predictRank(tracedStep(programs[rank]!, { mesh, coords: coordsOf(mesh, rank) }, 'f64'));
        expect(bytesOf(counters, runs.length)).toEqual(predicted.bytesSent);
        expect(flops).toBe(runs.length * predicted.flops);
        expect(inputs).toEqual(jobs[rank]!.runs[1]);
      }
    }),
    { numRuns: 15 },
  );
});

const bytesOf = (counters: TrafficCounters, runs: number) =>
  Object.fromEntries(
    Object.entries(counters).map(([axis, ops]) => [
      axis,
      Object.fromEntries(Object.entries(ops ?? {}).map(([op, { bytes }]) => [op, bytes / runs])),
    ]),
  );

test('integers, an unused input, an output that is an input, and one rank', async () => {
  const write = (trace: Trace): Program => {
    const ids = input(trace, [1, 3], {}, 'int');
    const table = input(trace, [2, 2], {});
    const unused = input(trace, [1], {});
    return finish(trace, { ids, table, unused }, { rows: embedding(ids, table, 0), table });
  };
  const inputs = [{ ids: [1, 0, 1], table: [1, 2, 3, 4], unused: [9] }];
  const [outputs] = await runProgram({ mesh: oneRank, write, inputs, pool });
  expect(outputs).toEqual({ rows: Float32Array.of(3, 4, 1, 2, 3, 4), table: Float32Array.of(1, 2, 3, 4) });
});

test('a sum is added in place', async () => {
  const write = (trace: Trace): Program => {
    const [sum, x] = [input(trace, [2], { dp: 'R' }), input(trace, [2], { dp: 'P' })];
    return finish(trace, { sum, x }, { sum: accumulate(sum, allReduce(x, 'dp', 'R')) });
  };
  const inputs = [1, 2].map((rank) => ({ sum: [10, 20], x: [rank, 10 * rank] }));
  const outputs = await runProgram({ mesh: { ...oneRank, dp: 2 }, write, inputs, pool });
  expect(outputs.map(({ sum }) => [...sum!])).toEqual([
    [13, 50],
    [13, 50],
  ]);
});

test('ranks send to each other, more than a channel holds, and meet on the axes of their mesh', async () => {
  const mesh = { ...oneRank, tp: 2, dp: 2 };
  const jobs = [0, 1, 2, 3].map(() => ({ mesh, exchange: 50_000 }));
  const heard: [number, string][] = [];
  const results = await runRanks<number[], string>(rankModule, jobs, {
    mesh,
    pool,
    onReport: (rank, message) => void heard.push([rank, message]),
  });
  // The number of the rank before; the sum of ranks over tp, over dp, over both, over all.
  expect(results).toEqual([
    [3, 1, 2, 6, 6],
    [0, 1, 4, 6, 6],
    [1, 5, 2, 6, 6],
    [2, 5, 4, 6, 6],
  ]);
  expect(heard.sort()).toEqual([0, 1, 2, 3].map((rank) => [rank, `rank ${rank} is here`]));
});

describe('bad input', () => {
  const sum = (trace: Trace): Program => {
    const x = input(trace, [2, 2], {});
    return finish(trace, { x }, { y: scale(x, 2) });
  };
  const run = (given: object) =>
    runProgram({ mesh: oneRank, write: sum, inputs: [{ x: [1, 2, 3, 4] }], pool, ...given } as ProgramRun);
  const writing = (write: (trace: Trace) => Program) => ({ write });

  test.each([
    [
      'no ranks',
      () => run({ mesh: { ...oneRank, tp: 0 } }),
      'mesh: its tp is 0; give every axis a whole number of at least 1',
    ],
    ['half a rank', () => run({ mesh: { ...oneRank, dp: 1.5 } }), 'mesh: its dp is 1.5'],
    ['an axis that is missing', () => run({ mesh: { tp: 1 } }), 'mesh: its cp is undefined'],
    ['too many ranks', () => run({ mesh: { ...oneRank, dp: 2000 } }), 'mesh: it has 2000 ranks; use at most 1024'],
    ['inputs of another number of ranks', () => run({ inputs: [] }), 'inputs: they are of 0 ranks and the mesh has 1'],
    ['no inputs', () => run({ inputs: undefined }), 'inputs: they are no list; give a list, the inputs of each rank'],
    ['an input missing', () => run({ inputs: [{}] }), 'inputs: x of rank 0 is missing; give [2,2] numbers'],
    ['a wrong length', () => run({ inputs: [{ x: [1, 2] }] }), 'inputs: x of rank 0 has 2 numbers; give [2,2] numbers'],
    ['an unknown input', () => run({ inputs: [{ x: [1, 2, 3, 4], z: [] }] }), 'rank 0 has no input z; give x'],
    ['a precision', () => run({ precision: 'bf16' }), 'precision: "bf16" is not one of f32, f64'],
    ['a time-out', () => run({ timeoutSeconds: 0 }), 'timeoutSeconds: 0 is not'],
    [
      'a fraction for an integer',
      () =>
        run({
          ...writing((trace) => {
            const x = input(trace, [1, 1], {}, 'int');
            return finish(trace, { x }, { x });
          }),
          inputs: [{ x: [0.5] }],
        }),
      'inputs: x of rank 0 is not of integers of 32 bits; give [1,1] integers',
    ],
    [
      'a program without inputs',
      () => run({ ...writing((trace) => finish(trace, {}, {})), inputs: [{}] }),
      'program: it has no inputs',
    ],
    [
      'a value that is written over and read',
      () =>
        run(
          writing((trace) => {
            const x = input(trace, [2, 2], {});
            return finish(trace, { x }, { sum: accumulate(x, x), twice: add(x, x) });
          }),
        ),
      'program: accumulate writes over a value [2,2] that is read elsewhere too; use add in place of accumulate',
    ],
    [
      'a number of ranks for jobs',
      () => runRanks(rankModule, 4 as unknown as []),
      'jobs: they are no list; give a list',
    ],
    ['no jobs', () => runRanks(rankModule, []), 'jobs: there are 0; give one for each rank, from 1 to 64'],
    ['no address', () => runRanks('./mine.ts', [1]), 'module: "./mine.ts" is no address; give import.meta.url'],
    [
      'jobs for another mesh',
      () => runRanks(rankModule, [1], { mesh: { ...oneRank, dp: 2 } }),
      'jobs: there are 1 for the 2 ranks of the mesh; give one for each rank',
    ],
  ])('%s', async (_, call, message) => {
    const error = await call().catch((thrown) => thrown);
    expect(error).toBeInstanceOf(FivefoldError);
    expect(error).toMatchObject({ code: 'OPTION_INVALID', exit: 2 });
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^[^\n]+; [^\n]+$/);
  });

  test.each([
    ['another mesh', 0, 1, /^program: it is of a mesh of 2 ranks, and 1 run; trace it for the mesh that runs$/],
    ['another rank', 1, 2, /^program: it is that of rank 1, and this is rank 0; trace it with coordsOf/],
  ])('a program of %s is not compiled', (_, rank, size, message) => {
    const mesh = { ...oneRank, dp: 2 };
    const transport: Transport = { ...aloneTransport(), size };
    expect(() => compileProgram(sum(startTrace(mesh, coordsOf(mesh, rank))), { transport })).toThrow(message);
  });

  test('a precision there is not is not compiled for', () => {
    const program = sum(startTrace(oneRank, coordsOf(oneRank, 0)));
    const precision = 'f16' as 'f32';
    expect(() => compileProgram(program, { transport: aloneTransport(), precision })).toThrow(
      /"f16" is not one of f32/,
    );
  });

  test('what a rank throws names the rank', async () => {
    const error = await runRanks(rankModule, [{ broken: 'no such thing' }], { pool }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'RANK_FAILED', message: 'rank 0 failed: no such thing' });
  });
});
