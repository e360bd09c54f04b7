// Ops on rows that are counted: what lies behind those that there are is neither read nor written.
import { expect, test } from 'vitest';
import { swiglu } from '../ops/activation.ts';
import { scaleRows } from '../ops/rows.ts';
import { createBlockPlayer } from '../runtime/blocks.ts';
import { newValue, startTrace } from './trace.ts';

const mesh = { tp: 1, cp: 1, ep: 1, dp: 1, pp: 1 };
const trace = () => startTrace(mesh, { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 });

test.each([
  ['none', [0, 0]],
  ['some', [1, 2]],
  ['all', [2, 3]],
])('%s of five rows are there', (_, counts) => {
  const there = counts[0]! + counts[1]!;
  for (const name of ['swiglu', 'scaleRows'] as const) {
    const writing = trace();
    const counted = newValue(writing, { shape: [1, 1, 2], dtype: 'int' }, {});
    const rows = (width: number) => newValue(writing, { shape: [1, 5, 1, width], dtype: 'float' }, {}, counted);
    const [x, y] = name === 'swiglu' ? [rows(3), rows(3)] : [rows(3), rows(1)];
    const made = name === 'swiglu' ? swiglu(x, y) : scaleRows(x, y);
    expect(made.counted).toBe(counted);
    const [node] = writing.nodes;
    expect(node!.op.name).toBe(`${name} of counted rows`);
    const width = y.shape[3]!;
    const [first, second] = [new Float64Array(15).fill(2), new Float64Array(5 * width).fill(3)];
    // What is no number, were it read, would show.
    first.fill(Number.NaN, there * 3);
    second.fill(Number.NaN, there * width);
    const out = new Float64Array(15).fill(7);
    const player = createBlockPlayer('f64');
    player.prepare(node!, {
      inputs: [first, second, Int32Array.from(counts)],
      outputs: [out],
      scratch: new Float64Array(0),
    })();
    player.release();
    const expected = name === 'swiglu' ? (2 / (1 + Math.exp(-2))) * 3 : 6;
    for (const [at, value] of out.entries())
      if (at < there * 3) expect(value).toBeCloseTo(expected, 12);
      else expect(value).toBe(7);
  }
});
