// The detector on hand-written logs: what is ordered and what is not.
import { expect, test } from 'vitest';
import { AccessLog } from './access-log.ts';
import { findRaces } from './happens-before.ts';

type Step = readonly ['read' | 'write', number, number] | readonly ['load' | 'wait' | 'publish', number, number];

/** One log a rank; all on one memory of 64 words. */
function racesOf(...ranks: readonly (readonly Step[])[]): number {
  const logs = ranks.map((steps) => {
    const log = new AccessLog();
    for (const [what, first, second] of steps) {
      if (what === 'read') log.range('copyOut', 0, first, second);
      else if (what === 'write') log.range('copyIn', 0, first, second);
      else log.event(what, 0, first, second);
    }
    return log.rows();
  });
  return findRaces(logs, [256]).races.length;
}

test('unordered accesses that overlap race if one is a write', () => {
  expect(racesOf([['write', 0, 16]], [['read', 12, 20]])).toBe(1);
  expect(racesOf([['write', 0, 16]], [['write', 12, 20]])).toBe(1);
  expect(racesOf([['read', 0, 16]], [['write', 0, 4]])).toBe(1);
  expect(racesOf([['read', 0, 16]], [['read', 0, 16]])).toBe(0);
  expect(racesOf([['write', 0, 16]], [['write', 16, 20]])).toBe(0);
});

test('a publication orders what was before it, for whoever sees it', () => {
  const write = ['write', 0, 16] as const;
  const read = ['read', 0, 16] as const;
  expect(racesOf([write, ['publish', 40, 1]], [['load', 40, 1], read])).toBe(0);
  expect(racesOf([write, ['publish', 40, 1]], [['wait', 40, 0], read])).toBe(0);
  expect(racesOf([['publish', 40, 1], write], [['load', 40, 1], read])).toBe(1);
  expect(racesOf([write, ['publish', 40, 1]], [read, ['load', 40, 1]])).toBe(1);
  expect(racesOf([write, ['publish', 40, 1]], [['load', 40, 0], read])).toBe(1);
  expect(racesOf([write, ['publish', 40, 1]], [['load', 41, 1], read])).toBe(1);
});

test('order passes from rank to rank', () => {
  const first = [
    ['write', 0, 16],
    ['publish', 40, 1],
  ] as const;
  const second = [
    ['load', 40, 1],
    ['publish', 41, 1],
  ] as const;
  expect(
    racesOf(first, second, [
      ['load', 41, 1],
      ['read', 0, 16],
    ]),
  ).toBe(0);
  expect(
    racesOf(
      first,
      [
        ['publish', 41, 1],
        ['load', 40, 1],
      ],
      [
        ['load', 41, 1],
        ['read', 0, 16],
      ],
    ),
  ).toBe(1);
});

test('a wait is ordered after the first publication that ends it, however late it looked', () => {
  const publisher = [
    ['publish', 40, 1],
    ['write', 0, 16],
    ['publish', 40, 2],
  ] as const;
  expect(
    racesOf(publisher, [
      ['wait', 40, 0],
      ['read', 0, 16],
    ]),
  ).toBe(1);
  expect(
    racesOf(publisher, [
      ['wait', 40, 1],
      ['read', 0, 16],
    ]),
  ).toBe(0);
});

test('a published word that is read or written plainly races too', () => {
  expect(racesOf([['publish', 10, 1]], [['read', 40, 44]])).toBe(1);
  expect(racesOf([['load', 10, 0]], [['write', 40, 44]])).toBe(1);
  expect(
    racesOf(
      [['publish', 10, 1]],
      [
        ['load', 10, 1],
        ['read', 40, 44],
      ],
    ),
  ).toBe(0);
});

test('neighbouring accesses are one row, but never over a publication', () => {
  const log = new AccessLog();
  log.range('copyIn', 0, 0, 8);
  log.range('word read', 0, 100, 104);
  log.range('copyIn', 0, 8, 16);
  log.event('publish', 0, 40, 1);
  log.range('copyIn', 0, 16, 24);
  expect(log.rows().length / 4).toBe(4);
});
