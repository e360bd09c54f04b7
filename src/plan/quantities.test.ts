// Quantities as people write them.
import { expect, test } from 'vitest';
import { parseCount, parseSeconds } from './quantities.ts';

test.each<[string, number | undefined]>([
  ['15T', 15e12],
  ['8M', 8e6],
  ['1,024', 1024],
  ['1.5 trillion', 1.5e12],
  ['300bn', 3e11],
  ['2e12', 2e12],
  ['.5k', 500],
  ['15X', undefined],
  ['T', undefined],
  ['-3', undefined],
  ['', undefined],
])('%j is so many: %j', (text, count) => expect(parseCount(text)).toBe(count));

test.each<[string, number | undefined]>([
  ['90d', 90 * 86_400],
  ['90 days', 90 * 86_400],
  ['50ms', 0.05],
  ['0.05', 0.05],
  ['3 months', 90 * 86_400],
  ['1.5h', 5400],
  ['2 min', 120],
  ['soon', undefined],
  ['5 parsecs', undefined],
])('%j is so long: %j', (text, seconds) => expect(parseSeconds(text)).toBe(seconds));
