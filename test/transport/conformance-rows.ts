// All-to-alls of uneven blocks: cases by the pattern of their counts, their naive reference, and counts that do not go together.
import assert from 'node:assert/strict';
import { FivefoldError } from '../../src/errors.ts';
import type { Group } from '../../src/mesh/mesh.ts';
import type { RowsToAll, Transport } from '../../src/runtime/transport/transport.ts';
import { make, type Outcome, type Owner, type Performing, type VectorType } from './conformance-vectors.ts';

/** How many times `rows` go from one member to another. */
const patterns = {
  even: () => 1,
  /** 1, 3, 0, 2, ...: no two members alike. */
  uneven: (from: number, to: number) => (3 * from + 2 * to + 1) % 4,
  toFirst: (_: number, to: number) => (to === 0 ? 1 : 0),
  fromLast: (from: number, _: number, size: number) => (from === size - 1 ? 1 : 0),
  own: (from: number, to: number) => (from === to ? 1 : 0),
  none: () => 0,
} as const;

export interface RowsCase {
  readonly op: 'allToAllV';
  /** Or from every member to every member. */
  readonly pattern: keyof typeof patterns | readonly (readonly number[])[];
  readonly rows: number;
  readonly width: number;
  /** Rows that the vectors hold behind those that are counted. */
  readonly spare?: number;
}

const sum = (counts: Iterable<number>): number => [...counts].reduce((a, b) => a + b, 0);

export function performRows(
  { transport, group, vectors, site, me, all }: Performing,
  one: RowsCase & { readonly type: VectorType },
): Outcome {
  const { type, pattern, rows, width, spare = 0 } = one;
  const size = group.ranks.length;
  const times = (from: number, to: number): number =>
    typeof pattern === 'string' ? patterns[pattern](from, to, size) : pattern[from]![to]!;
  const counts = group.ranks.map((_, from) => group.ranks.map((_, to) => rows * times(from, to)));
  const sent = Int32Array.from(counts[me]!);
  const received = Int32Array.from(counts, (row) => row[me]!);
  const inputs = all((Math.max(...counts.map(sum)) + spare) * width);
  const want = make(type, (sum(received) + spare) * width).fill(-1);
  counts.forEach((row, from) => {
    const start = sum(row.slice(0, me)) * width;
    want.set(inputs[from]!.subarray(start, start + row[me]! * width), sum(received.slice(0, from)) * width);
  });
  const input = vectors.of(inputs[me]!.subarray(0, (sum(sent) + spare) * width));
  const output = vectors.empty(want.length);
  transport.allToAllV(group, { input, sent, output, received, width }, site);
  return { got: vectors.take(output), want };
}

const ofPattern = (pattern: RowsCase['pattern'], rows: number, width: number, spare = 0): RowsCase => ({
  op: 'allToAllV',
  pattern,
  rows,
  width,
  spare,
});

export const rowsCases: readonly RowsCase[] = [
  ofPattern('even', 1, 1),
  ofPattern('even', 5, 3),
  ofPattern('uneven', 1, 1),
  ofPattern('uneven', 7, 3, 2),
  ofPattern('uneven', 40, 8),
  ofPattern('toFirst', 9, 2, 1),
  ofPattern('fromLast', 11, 5),
  ofPattern('own', 3, 4),
  ofPattern('none', 0, 2, 3),
  ofPattern('none', 0, 1),
];

/** Beyond any chunk. */
export const largeRowsCases: readonly (RowsCase & { readonly type: VectorType })[] = [
  { type: 'f32', ...ofPattern('uneven', 3001, 7, 5) },
  { type: 'f64', ...ofPattern('toFirst', 10_001, 3) },
  { type: 'i32', ...ofPattern('fromLast', 5003, 11) },
  { type: 'f32', ...ofPattern('even', 1021, 19) },
];

const wrongs = {
  'other counts': [/rank 0 called .*sending 2 rows to rank 1/, /rank 1 called .*receiving 1 rows of rank 0/],
  'a short input': [/rank 1 called .*sending 2 rows to rank 3 that end at row 8 of an input of 7/],
  'a short output': [/rank 1 called .*receiving 2 rows of rank 3 that end at row 8 of an output of 7/],
  'less than none': [/rank 1 called .*sending -1 rows to rank 0 that end at row -1/],
} as const satisfies Readonly<Record<string, readonly RegExp[]>>;

/** Every member sends 2 rows to every other, but member 1 has what is wrong; returns the error that the call ends with. */
export function disagreeOnRows(
  transport: Transport,
  { group, wrong }: { group: Group; wrong: keyof typeof wrongs },
  owner: Owner,
): string {
  const size = group.ranks.length;
  const width = 3;
  const is = (what: keyof typeof wrongs): boolean => wrong === what && transport.rank === group.ranks[1];
  const sent = new Int32Array(size).fill(2);
  const received = new Int32Array(size).fill(2);
  if (is('other counts')) received[0] = 1;
  if (is('less than none')) sent[0] = -1;
  const whole = 2 * size * width;
  const rows: RowsToAll = {
    input: make('f32', whole - (is('a short input') ? 1 : 0), owner),
    sent,
    output: make('f32', whole - (is('a short output') ? width : 0), owner),
    received,
    width,
  };
  try {
    transport.allToAllV(group, rows, 'the site');
  } catch (error) {
    return error instanceof FivefoldError ? `${error.code}: ${error.message}` : String(error);
  }
  return 'no error';
}

/** `run`: the messages of a run of {@link disagreeOnRows} by all members of a group of four. */
export function addRowChecks(
  run: (args: { readonly group: Group; readonly wrong: string }) => Promise<readonly unknown[]>,
  add: (name: string, check: () => Promise<void>) => void,
): void {
  const group: Group = { axis: 'ep', ranks: [0, 1, 2, 3] };
  for (const [wrong, parts] of Object.entries(wrongs))
    add(`all members fail in the call where one has ${wrong}`, async () => {
      const messages = (await run({ group, wrong })) as string[];
      assert.deepEqual(
        messages,
        group.ranks.map(() => messages[0]!),
      );
      assert.match(messages[0]!, /COLLECTIVE_MISMATCH: .*axis ep.*allToAllV f32.* in rows of 3 at "the site"/);
      for (const part of parts) assert.match(messages[0]!, part);
    });
}
