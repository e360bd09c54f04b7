// Angles of rotary positions against values worked out by hand.
import { expect, test } from 'vitest';
import { type RopeParameters, readRope } from './rope.ts';

const ropeFrequencies = (headDim: number, parameters: RopeParameters) =>
  readRope(headDim, parameters, 'config.json').frequencies;

const close = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 12));

test('plain: theta to the power of -2i / headDim', () => {
  expect(ropeFrequencies(4, { rope_theta: 10000 })).toEqual(close([1, 0.01]));
  expect(ropeFrequencies(8, { rope_theta: 10000, rope_type: 'default' })).toEqual(close([1, 0.1, 0.01, 0.001]));
});

test('linear: all slower by the factor', () => {
  expect(ropeFrequencies(4, { rope_theta: 10000, type: 'linear', factor: 4 })).toEqual(close([0.25, 0.0025]));
});

test('llama3: fast ones as they are, slow ones slower by the factor, those between blended', () => {
  const got = ropeFrequencies(8, {
    rope_theta: 10000,
    rope_type: 'llama3',
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 128,
  });
  // Wavelengths 2π, 20π, 200π and 2000π; up to 32 is fast, from 128 on slow. 20π = 62.8 turns 2.037 times in 128 positions:
  // a blend of (2.037 - 1) / (4 - 1) = 0.3457 of the fast, the rest of the slow.
  const blend = (128 / (20 * Math.PI) - 1) / 3;
  expect(blend).toBeCloseTo(0.3457, 4);
  expect(got).toEqual(close([1, blend * 0.1 + ((1 - blend) * 0.1) / 8, 0.01 / 8, 0.001 / 8]));
});

test('yarn: pairs that turn often as they are, those that do not slower by the factor, those between blended', () => {
  // Within 64 positions the pairs of 8 features at theta 10000 turn 10.2, 1.02, 0.10 and 0.01 times: 8 turns are at pair
  // 0.105 and 0.5 turns are at pair 1.309, so that with whole pairs 0 is kept and 2 is slowed: pair 1 is half way.
  const parameters = { rope_type: 'yarn', rope_theta: 10000, factor: 4, original_max_position_embeddings: 64 };
  const turns = [0.1049, 1.309];
  const pairOf = (count: number) => (4 * Math.log(64 / (count * 2 * Math.PI))) / Math.log(10000);
  expect([8, 0.5].map(pairOf)).toEqual(turns.map((pair) => expect.closeTo(pair, 4)));
  const got = readRope(8, { ...parameters, beta_fast: 8, beta_slow: 0.5 }, 'config.json');
  expect(got.frequencies).toEqual(close([1, 0.1 / 2 + 0.1 / 8, 0.01 / 4, 0.001 / 4]));
  expect(got.amplitude).toBeCloseTo(0.1 * Math.log(4) + 1, 12);
  const exact = readRope(8, { ...parameters, beta_fast: 8, beta_slow: 0.5, truncate: false }, 'config.json');
  const share = (1 - pairOf(8)) / (pairOf(0.5) - pairOf(8));
  expect(exact.frequencies).toEqual(close([1, 0.1 * (1 - share) + (0.1 / 4) * share, 0.01 / 4, 0.001 / 4]));
  expect(readRope(8, { ...parameters, attention_factor: 1.5 }, 'config.json').amplitude).toBe(1.5);
});

test('what is not whole or not known is refused', () => {
  const llama3 = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
  const refused: (RopeParameters & object)[] = [
    { rope_type: 'yarn', factor: 4, beta_fast: 32 },
    { rope_type: 'longrope', factor: 4 },
    { rope_type: 'constructor' },
    { rope_type: 'linear' },
    { factor: 8 },
    llama3,
    { ...llama3, original_max_position_embeddings: 8192, low_freq_factor: 4 },
    { mrope_section: [16, 24, 24] },
    { rope_type: 'linear', factor: 1e-320 },
  ];
  const messages = refused.map((parameters) => {
    try {
      return ropeFrequencies(8, { rope_theta: 10000, ...parameters }).join();
    } catch (error) {
      return (error as Error).message;
    }
  });
  expect(messages.join('\n')).toMatchInlineSnapshot(`
    "config.json: rope_type yarn needs original_max_position_embeddings; add it
    config.json: rope_type longrope is not supported; use default, linear, llama3, yarn
    config.json: rope_type constructor is not supported; use default, linear, llama3, yarn
    config.json: rope_type linear needs factor; add it
    config.json: rope_type default takes no factor; name a rope_type that does, such as linear
    config.json: rope_type llama3 needs original_max_position_embeddings; add it
    config.json: high_freq_factor 4 is not above low_freq_factor 4; use those of the model
    config.json: rope parameter mrope_section is not supported; leave it out if the model does without it
    config.json: its rope parameters give angles that are no numbers; use those of the model"
  `);
});
