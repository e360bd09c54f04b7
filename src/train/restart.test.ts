// Which errors are losses, and when a rank is given up.
import { expect, test } from 'vitest';
import { FivefoldError } from '../errors.ts';
import { isGivenUp, lossOf } from './restart.ts';

test.each([
  ['RANK_FAILED', { rank: 1, site: 'block 3', problem: 'no more' }, { rank: 1, problem: 'no more at block 3' }],
  ['RANK_FAILED', { rank: 0, site: '', problem: 'no more' }, { rank: 0, problem: 'no more' }],
  ['COLLECTIVE_TIMEOUT', { rank: 2, seconds: 9, waitingFor: 'rank 1' }, { problem: 'rank 2 waited 9 s for rank 1' }],
  // These would come again, or are the user's will.
  ['COLLECTIVE_MISMATCH', { rank: 0 }, undefined],
  ['SAVE_FAILED', { step: 3 }, undefined],
  ['TRAINING_DIVERGED', { step: 3 }, undefined],
  ['DATA_EMPTY', {}, undefined],
  ['RUN_ABORTED', { problem: 'stopped' }, undefined],
] as const)('%s %o', (code, values, loss) => {
  expect(lossOf(new FivefoldError(code, values))).toEqual(loss);
});

test('an error without a code is no loss', () => {
  expect(lossOf(new Error('rank 1 failed'))).toBeUndefined();
});

test('a rank is given up when it is lost twice in a row without a step more', () => {
  const lost = (rank: number | undefined, done: number) => ({
    ...(rank === undefined ? {} : { rank }),
    problem: '',
    done,
  });
  expect(isGivenUp(undefined, lost(1, 4))).toBe(false);
  expect(isGivenUp(lost(1, 4), lost(1, 4))).toBe(true);
  expect(isGivenUp(lost(1, 4), lost(1, 5))).toBe(false);
  expect(isGivenUp(lost(0, 4), lost(1, 4))).toBe(false);
  expect(isGivenUp(lost(undefined, 4), lost(undefined, 4))).toBe(false);
});
