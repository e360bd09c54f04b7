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

const anyType = fc.constantFrom<AxisType>('R', 'I', 'P', 'Pmax', 'V0', 'V1', 'V2');
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
