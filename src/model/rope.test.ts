// Angles of rotary positions against values worked out by hand.
import { expect, test } from 'vitest';
import { ropeFrequencies as frequenciesOf, type RopeParameters } from './rope.ts';

const ropeFrequencies = (headDim: number, parameters: RopeParameters) =>
  frequenciesOf(headDim, parameters, 'config.json');

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

test('what is not whole or not known is refused', () => {
  const llama3 = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
  const refused: (RopeParameters & object)[] = [
    { rope_type: 'yarn', factor: 4, beta_fast: 32 },
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
    "config.json: rope_type yarn is not supported; use default, linear, llama3
    config.json: rope_type constructor is not supported; use default, linear, llama3
    config.json: rope_type linear needs factor; add it
    config.json: rope_type default takes no factor; name a rope_type that does, such as linear
    config.json: rope_type llama3 needs original_max_position_embeddings; add it
    config.json: high_freq_factor 4 is not above low_freq_factor 4; use those of the model
    config.json: rope parameter mrope_section is not supported; leave it out if the model does without it
    config.json: its rope parameters give angles that are no numbers; use those of the model"
  `);
});
