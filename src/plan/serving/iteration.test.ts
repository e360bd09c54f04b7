// An iteration's seconds against what its work comes to by hand, with costs that are a roofline.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseModelConfig } from '../../model/families.ts';
import { presets } from '../../model/presets.ts';
import { promptBatch, writingBatch } from './batch.ts';
import { iterations, type ServingCosts } from './iteration.ts';
import { cacheBytes } from './memory.ts';
import type { ServingLayout } from './scenario.ts';
import { cluster, device, plainFormats, roofline } from './stand-ins.test-support.ts';

const one: ServingLayout = { tp: 1, pp: 1, dp: 1, cp: 1, ep: 1 };

function iterate(name: string, layout: Partial<ServingLayout> = {}, costs: ServingCosts = roofline) {
  const config = parseModelConfig(presets[name], name);
  const whole = { ...one, ...layout };
  return iterations({ config, cluster, layout: whole, formats: plainFormats, engine: 'vllm', costs });
}

describe('prompts', () => {
  test.each(['llama-3.1-8b', 'llama-3.1-70b'])(
    '%s: twice the tokens are twice the products, and more scores',
    (name) => {
      const read = iterate(name);
      fc.assert(
        fc.property(fc.integer({ min: 1024, max: 16384 }), (tokens) => {
          const [single, double, quadruple] = [1, 2, 4].map((times) => read(promptBatch(1, times * tokens)));
          // The head is taken of the last token alone.
          const added = double!.products - single!.products;
          expect((quadruple!.products - double!.products) / added).toBeCloseTo(2, 9);
          expect(double!.attention / single!.attention).toBeCloseTo((2 * (2 * tokens + 1)) / (tokens + 1), 9);
          expect(double!.total).toBeGreaterThan(2 * (single!.total - single!.products + added));
        }),
        { numRuns: 30 },
      );
    },
  );

  test('read in two pieces have as many scores as read at once', () => {
    const read = iterate('llama-3.1-8b');
    const whole = read(promptBatch(1, 8192)).attention;
    const pieces = read(promptBatch(1, 4096)).attention + read(promptBatch(1, 4096, 4096)).attention;
    expect(pieces / whole).toBeCloseTo(1, 9);
  });
});

describe('what is written', () => {
  test.each<[string, Partial<ServingLayout>]>([
    ['llama-3.1-8b', {}],
    ['llama-3.1-70b', { tp: 4 }],
    // More ranks than heads of keys: each has one.
    ['qwen3-30b-a3b', { tp: 8 }],
    ['gpt-oss-20b', {}],
    ['llama-3.1-8b', { cp: 2 }],
    ['llama-3.1-8b', { pp: 4 }],
  ])('%s %o: reads its context once a token, and nothing else of it', (name, layout) => {
    const write = iterate(name, layout);
    const config = parseModelConfig(presets[name], name);
    const whole = { ...one, ...layout };
    const requests = 32;
    const at = (context: number) => write(writingBatch(requests, context)).attention;
    const bytes = (tokens: number) => cacheBytes(config, whole, plainFormats, tokens) * requests;
    // Stages read one after the other, each its layers of a part of the requests: in all as much as one of them of all.
    const reading = (bytes(8192) - bytes(4096)) / device.memoryBytesPerSecond;
    expect((at(8192) - at(4096)) / reading).toBeCloseTo(1, 9);
  });

  test('host and device work at once: an iteration takes what the slower one does', () => {
    const { total: ofDevice } = iterate('llama-3.1-8b')(writingBatch(64, 1024));
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e-3, noNaN: true }), (requestSeconds) => {
        const engineTimes = { ...roofline.engineTimes, vllm: { ...roofline.engineTimes.vllm, requestSeconds } };
        const { total } = iterate('llama-3.1-8b', {}, { ...roofline, engineTimes })(writingBatch(64, 1024));
        expect(total).toBeCloseTo(Math.max(ofDevice, 64 * requestSeconds), 12);
      }),
      { numRuns: 20 },
    );
  });
});
