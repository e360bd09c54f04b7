// What sentences say.
import { expect, test } from 'vitest';
import { type Claim, parseClaim } from './parse-claim.ts';

const said = (speed: Claim['speed'], cluster?: string): Omit<Claim, 'unread'> => ({
  speed,
  ...(cluster === undefined ? {} : { cluster }),
});

test.each<[string, Omit<Claim, 'unread'>]>([
  ['8M tokens/s on 1024 H100', said({ kind: 'tokensPerSecond', value: 8e6 }, '1024xh100')],
  ['8 million tokens per second on 1,024 H100 GPUs', said({ kind: 'tokensPerSecond', value: 8e6 }, '1024xh100')],
  ['12,000 tokens/s/GPU on 64xh200', said({ kind: 'tokensPerSecondPerDevice', value: 12_000 }, '64xh200')],
  [
    '1.5k tokens per second per GPU, 512 A100-80',
    said({ kind: 'tokensPerSecondPerDevice', value: 1500 }, '512xa100-80'),
  ],
  ['11000 tokens/GPU/s', said({ kind: 'tokensPerSecondPerDevice', value: 11_000 })],
  ['400 TFLOP/s/GPU on 16384 H100', said({ kind: 'flopsPerSecondPerDevice', value: 400e12 }, '16384xh100')],
  ['1.2 PFLOPS per GPU on 72 GB200', said({ kind: 'flopsPerSecondPerDevice', value: 1.2e15 }, '72xgb200')],
  ['43% MFU on 2048 H100 SXM', said({ kind: 'mfu', value: 0.43 }, '2048xh100-sxm')],
  ['MFU of 0.38 with 256 TPU v5p', said({ kind: 'mfu', value: 0.38 }, '256xtpu v5p')],
  [
    'trains 15T tokens in 54 days on 16384 H100',
    said({ kind: 'whole', tokens: 15e12, seconds: 54 * 86_400 }, '16384xh100'),
  ],
  [
    '2T tokens within 21d on 2048 A100@roce-200',
    said({ kind: 'whole', tokens: 2e12, seconds: 21 * 86_400 }, '2048xa100@roce-200'),
  ],
])('%s', (sentence, claim) => {
  expect(parseClaim(sentence)).toMatchObject(claim);
  expect(parseClaim(sentence)!.another).toBeUndefined();
});

test.each(['fast', '', '1024 H100', 'tokens/s on 8 H100'])('%j says no speed', (sentence) =>
  expect(parseClaim(sentence)).toBeUndefined(),
);

test.each([
  ['8M tokens/s and 43% MFU on 1024 H100', '43% MFU'],
  ['15T tokens in 90 days on 4096 H100 at 400 TFLOP/s/GPU', '400 TFLOP/s/GPU'],
  ['8M tokens/s on 1024 H100 or 2M on 512 A100', '512 A100'],
])('%s is two', (sentence, another) => expect(parseClaim(sentence)).toMatchObject({ another }));

test('what nothing is made of is told', () => {
  expect(parseClaim('8M tokens/s on 1024 H100 with magic')!.unread).toEqual(['magic']);
  expect(parseClaim('we reached 41% MFU on 512 H100')!.unread).toEqual([]);
  expect(parseClaim('400 TFLOP/s/GPU on 8 H100')!.unread).toEqual([]);
});
