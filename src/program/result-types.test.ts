// The typing rule, as a table of small cases and as properties over all types.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { resultTypes } from './result-types.ts';
import { type AxisType, dual, dualTypes, mapTypes, printTypes, sameTypes, type Types, type Typing } from './types.ts';

const outcome = (typing: Typing, types: readonly AxisType[], dtypes: readonly ('float' | 'int')[] = []): string => {
  const operands = types.map((tp, index) => ({ types: { tp }, dtype: dtypes[index] ?? 'float' }));
  const result = resultTypes(typing, operands, 'tp');
  return Array.isArray(result) ? result.join(' ') : 'refused';
};

const linear: Typing = { dims: 'b s k, n k -> b s n', linear: [0, 1] };
const add: Typing = { dims: 'a b c, a b c -> a b c', linear: 'all' };
const product: Typing = { dims: 'a b c, a b c -> a b c', linear: [0, 1] };
const gate: Typing = { dims: 'a b c, a b c -> a b c' };
const norm: Typing = { dims: 'a b z!, z! -> a b z, a b 1' };
const most: Typing = { dims: 'b s v -> b s 1', reduce: 'max' };
const whole: Typing = { dims: 'b s v -> b s', reduce: 'none' };
const shared: Typing = { dims: 'b s! h, b s! h~ -> b s h' };
const sharedGrad: Typing = { dims: 'b s! h, b s! h, b s! h~ -> b s h, b s h~', linear: [0] };

describe('cases', () => {
  test.each([
    ['column-parallel', linear, ['R', 'V0'], 'V2'],
    ['row-parallel', linear, ['V2', 'V1'], 'P'],
    ['batch or sequence sharded', linear, ['V1', 'R'], 'V1'],
    ['all whole', linear, ['R', 'R'], 'R'],
    ['all invariant', linear, ['I', 'I'], 'I'],
    ['partial through a whole weight', linear, ['P', 'R'], 'P'],
    ['a partial weight', linear, ['R', 'P'], 'P'],
    ['partial through a sharded weight', linear, ['P', 'V0'], 'refused'],
    ['contracted dim sharded on one side', linear, ['V2', 'R'], 'refused'],
    ['two dims over one axis', linear, ['V1', 'V0'], 'refused'],
    ['sum of partials', add, ['P', 'P'], 'P'],
    ['partial and whole', add, ['P', 'R'], 'refused'],
    ['alike slices', add, ['V1', 'V1'], 'V1'],
    ['product of partials', product, ['P', 'P'], 'refused'],
    ['partial times whole', product, ['R', 'P'], 'P'],
    ['partial into a nonlinear op', gate, ['P', 'R'], 'refused'],
    ['norm of rows', norm, ['V1', 'R'], 'V1 V1'],
    ['norm over sharded features', norm, ['V2', 'V0'], 'refused'],
    ['maximum over shards', most, ['V2'], 'Pmax'],
    ['maximum of rows', most, ['V1'], 'V1'],
    ['a partial maximum in use', add, ['Pmax', 'Pmax'], 'refused'],
    ['a reduction that needs all', whole, ['V2'], 'refused'],
    ['the same, of rows', whole, ['V1'], 'V1'],
    ['a dim that does not exist', gate, ['V3', 'V3'], 'refused'],
    ['parts of outputs', linear, ['R', 'O0'], 'O2'],
    ['parts summed over', linear, ['O2', 'O1'], 'refused'],
    ['parts beside the whole', linear, ['O1', 'R'], 'O1'],
    ['parts and slices', add, ['O1', 'V1'], 'refused'],
    ['terms of parts through parts of a weight', linear, ['PO2', 'O1'], 'P'],
    ['terms of parts through slices of a weight', linear, ['PO2', 'V1'], 'refused'],
    ['sums of terms of parts', add, ['PO1', 'PO1'], 'PO1'],
    ['terms of parts and parts', add, ['PO1', 'O1'], 'refused'],
    ['terms of parts times parts', product, ['O1', 'PO1'], 'PO1'],
    ['products of terms of parts', product, ['PO1', 'PO1'], 'refused'],
    ['terms of parts into a nonlinear op', gate, ['PO1', 'PO1'], 'refused'],
    ['a maximum over parts', most, ['O2'], 'refused'],
    ['slices that share parts', shared, ['V2', 'O2'], 'V2'],
    ['slices of both', shared, ['V2', 'V2'], 'V2'],
    ['parts of both', shared, ['O2', 'O2'], 'O2'],
    ['parts that share slices', shared, ['O2', 'V2'], 'refused'],
    ['slices that share the whole', shared, ['V2', 'R'], 'refused'],
    ['the gradients of slices and of the parts they share', sharedGrad, ['V2', 'V2', 'O2'], 'V2 PO2'],
    ['the gradients of parts of both', sharedGrad, ['PO2', 'O2', 'O2'], 'PO2 PO2'],
    ['terms of parts that others share', { ...shared, linear: [1] }, ['O2', 'PO2'], 'refused'],
    ['the same, of what is no gradient', sharedGrad, ['O2', 'O2', 'O2'], 'refused'],
  ] as const)('%s', (_, typing, types, expected) => {
    expect(outcome(typing, types)).toBe(expected);
  });

  test('whole integers mix with anything, but not with slices of their own dims', () => {
    const lookup: Typing = { dims: 'b s, v h -> b s h', linear: [1] };
    expect(outcome(lookup, ['R', 'V0'], ['int'])).toBe('P');
    expect(outcome(lookup, ['R', 'I'], ['int'])).toBe('I');
    expect(outcome(lookup, ['R', 'P'], ['int'])).toBe('P');
    expect(outcome(lookup, ['V0', 'R'], ['int'])).toBe('V0');
    expect(outcome({ dims: 'b s, b s h -> b s h' }, ['R', 'V0'], ['int'])).toBe('refused');
  });
});

const cuts = ['V', 'O', 'PO'].flatMap((cut) => [0, 1, 2].map((dim) => `${cut}${dim}` as AxisType));
const anyType = fc.constantFrom<AxisType>('R', 'I', 'P', 'Pmax', ...cuts);
const anyTypes: fc.Arbitrary<Types> = fc.record(
  { tp: anyType, cp: anyType, ep: anyType, dp: anyType },
  { requiredKeys: [] },
);

describe('properties', () => {
  test('a gradient of a gradient has the type of the value', () => {
    fc.assert(fc.property(anyType, (type) => dual(dual(type)) === type));
    fc.assert(fc.property(anyTypes, (types) => sameTypes(dualTypes(dualTypes(types)), types)));
  });

  test('the operands of a sum, a product and a gate may change places', () => {
    fc.assert(
      fc.property(fc.constantFrom(add, product, gate), anyType, anyType, (typing, a, b) => {
        expect(outcome(typing, [a, b])).toBe(outcome(typing, [b, a]));
      }),
    );
  });

  test('only alike values, partial ones apart, pass a nonlinear op, and come out as they went in', () => {
    fc.assert(
      fc.property(anyType, anyType, (a, b) => {
        const passes = a === b && !a.startsWith('P');
        expect(outcome(gate, [a, b])).toBe(passes ? a : 'refused');
      }),
    );
  });

  test('invariant values mix with nothing, in any op', () => {
    fc.assert(
      fc.property(fc.constantFrom(linear, add, product, gate), anyType, (typing, other) => {
        expect(outcome(typing, ['I', other])).toBe(other === 'I' ? 'I' : 'refused');
      }),
    );
  });

  test('a refusal names its axis, the operands and a fix', () => {
    fc.assert(
      fc.property(fc.constantFrom(linear, add, product, gate), anyType, anyType, (typing, a, b) => {
        const result = resultTypes(
          typing,
          [a, b].map((cp) => ({ types: { cp }, dtype: 'float' })),
          'cp',
        );
        if (Array.isArray(result)) return;
        expect(result.axis).toBe('cp');
        expect(result.problem).toContain(`(operands are ${a}, ${b})`);
        expect(result.fix).toMatch(/over cp|on dim \d/);
        expect(result.fix).not.toContain('undefined');
      }),
    );
  });
});

test('types are printed and changed in the order of the axes', () => {
  expect(printTypes({ dp: 'V0', tp: 'P' })).toBe('tp:P dp:V0');
  expect(printTypes(mapTypes({ dp: 'V0', tp: 'P' }, (type, axis) => (axis === 'tp' ? 'I' : type)))).toBe('tp:I dp:V0');
});
