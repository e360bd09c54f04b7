// A program that crosses threads is the same program.
import { expect, test } from 'vitest';
import { samples } from '../../test/op-samples.ts';
import { opTable } from '../ops/op-table.ts';
import { fromPortable, toPortable } from './portable.ts';
import { print } from './print.ts';
import { apply, finish, input, startTrace } from './trace.ts';

const alone = { tp: 1, cp: 1, ep: 1, dp: 1, pp: 1 };
const origin = { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 };
const named = <T>(items: readonly T[]): Record<string, T> =>
  Object.fromEntries(items.map((item, index) => [`${index}`, item]));

test.each(Object.keys(samples))('%s', (name) => {
  const op = opTable.get(name)!;
  for (const { inputs, attrs } of samples[name]!) {
    const trace = startTrace(alone, origin);
    const operands = inputs.map(({ shape, dtype }) => input(trace, shape, {}, dtype));
    const program = finish(trace, named(operands), named(apply(op, operands, attrs)));
    const other = startTrace(alone, origin);
    const again = fromPortable(structuredClone(toPortable(program)), other, opTable);
    expect(print(again)).toBe(print(program));
    expect(again.nodes.map((node) => [node.op, node.attrs])).toEqual([[op, attrs]]);
    // Written on, it makes values of its own numbers.
    expect(other.nextId).toBe(trace.nextId);
  }
});
