import { expect, test } from 'vitest';
import { once } from './once.ts';

test('computes once for the same arguments, whatever comes of it', () => {
  const asked: unknown[] = [];
  const pair = once((a: object | string, b?: number): undefined => void asked.push([a, b]));
  const [one, other] = [{}, {}];
  for (let times = 0; times < 2; times++)
    for (const a of [one, other, '1,2', '1']) for (const b of [1, 2, undefined]) pair(a, b);
  expect(asked).toEqual([one, other, '1,2', '1'].flatMap((a) => [1, 2, undefined].map((b) => [a, b])));

  let made = 0;
  const alone = once(() => made++);
  expect([alone(), alone()]).toEqual([0, 0]);
});
