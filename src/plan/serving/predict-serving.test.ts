// Whole predictions, with costs that can be worked out by hand: a roofline.
import { describe, expect, test } from 'vitest';
import { parseModelConfig } from '../../model/families.ts';
import { presets } from '../../model/presets.ts';
import { deploy } from './deployed.ts';
import { cacheBytes } from './memory.ts';
import { servingPredictor } from './predict-serving.ts';
import type { Pool, ServingLayout, ServingScenario } from './scenario.ts';
import { cluster, plainFormats, roofline } from './stand-ins.test-support.ts';
import { steadyServing } from './steady-serving.ts';

const one: ServingLayout = { tp: 1, pp: 1, dp: 1, cp: 1, ep: 1 };
const model = parseModelConfig(presets['llama-3.2-1b'], 'model');
const mixtral = parseModelConfig(presets['mixtral-tiny'], 'model');
const predict = servingPredictor(roofline);

const scenario = (given: Partial<ServingScenario> = {}): ServingScenario => ({
  model,
  cluster,
  engine: 'vllm',
  formats: plainFormats,
  deployment: { kind: 'aggregated', pool: { layout: one, instances: 1 } },
  lengths: { inputTokens: 1024, outputTokens: 256 },
  load: { kind: 'closed', concurrency: 16 },
  ...given,
});
const pool = (layout: Partial<ServingLayout>, instances = 1): Pool => ({ layout: { ...one, ...layout }, instances });
const aggregated = (layout: Partial<ServingLayout>, instances = 1) =>
  ({ kind: 'aggregated', pool: pool(layout, instances) }) as const;

describe('one request at a time', () => {
  test('reads all weights once a token', () => {
    const { decodeIteration, bottleneck } = predict(scenario({ load: { kind: 'closed', concurrency: 1 } }));
    const { weights } = deploy(scenario(), roofline).writers.instance.memory;
    // Keys, values and activations besides.
    const reading = weights / cluster.device.memoryBytesPerSecond;
    expect(decodeIteration.total).toBeGreaterThan(reading);
    expect(decodeIteration.total).toBeLessThan(1.1 * reading);
    expect(bottleneck).toBe('weights');
  });

  test('tp shares the reading out', () => {
    const alone = { load: { kind: 'closed', concurrency: 1 } } as const;
    const [whole, half] = [{}, { tp: 2 }].map((layout) =>
      predict(scenario({ ...alone, deployment: aggregated(layout) })),
    );
    const share = half!.decodeIteration.products / whole!.decodeIteration.products;
    expect(share).toBeGreaterThan(0.49);
    expect(share).toBeLessThan(0.52);
    expect(half!.decodeIteration.collectives).toBeGreaterThan(0);
  });

  test('stages take as long one after the other as one device', () => {
    const alone = { load: { kind: 'closed', concurrency: 1 } } as const;
    const [whole, staged] = [{}, { pp: 4 }].map((layout) =>
      predict(scenario({ ...alone, deployment: aggregated(layout) })),
    );
    const layers = staged!.decodeIteration.attention / whole!.decodeIteration.attention;
    expect(layers).toBeCloseTo(1, 6);
  });
});

describe('by arithmetic and played', () => {
  test.each(['vllm', 'sglang', 'trtllm'] as const)('%s: means of a closed loop agree', (engine) => {
    for (const concurrency of [1, 8, 64]) {
      const given = scenario({
        engine,
        load: { kind: 'closed', concurrency },
        lengths: { inputTokens: 512, outputTokens: 400, shortest: 0.5 },
      });
      const steady = steadyServing(deploy(given, roofline), concurrency);
      const played = predict(given);
      // A play begins with all prompts at once, of which arithmetic knows nothing, and ends with fewer.
      expect(Math.abs(steady.secondsPerOutputToken.mean / played.secondsPerOutputToken.mean - 1)).toBeLessThan(0.06);
      expect(Math.abs(steady.outputTokensPerSecond / played.outputTokensPerSecond - 1)).toBeLessThan(0.06);
    }
  });

  test('pools apart: means of a closed loop agree', () => {
    const deployment = { kind: 'disaggregated', prefill: pool({}), decode: pool({}, 2) } as const;
    for (const concurrency of [4, 32]) {
      const given = scenario({ deployment, load: { kind: 'closed', concurrency } });
      const steady = steadyServing(deploy(given, roofline), concurrency);
      const played = predict(given);
      expect(Math.abs(steady.secondsPerOutputToken.mean / played.secondsPerOutputToken.mean - 1)).toBeLessThan(0.06);
      expect(Math.abs(steady.outputTokensPerSecond / played.outputTokensPerSecond - 1)).toBeLessThan(0.1);
    }
  });

  test('what comes and what is under way are Little’s', () => {
    const { requestsPerSecond, secondsOfRequest } = steadyServing(deploy(scenario(), roofline), 40);
    expect(requestsPerSecond * secondsOfRequest.mean).toBeCloseTo(40, 6);
  });
});

describe('loads', () => {
  test('of twice the rate make requests wait longer, and past what can be served keep fewer targets', () => {
    const targets = { secondsToFirstToken: 0.1, secondsPerOutputToken: 0.02 };
    const at = (requestsPerSecond: number) =>
      predict(scenario({ targets, load: { kind: 'poisson', requestsPerSecond, requests: 2000, seed: 1 } }));
    const [few, many, tooMany] = [at(5), at(40), at(400)];
    expect(few.secondsToFirstToken.p90!).toBeLessThan(many.secondsToFirstToken.p90!);
    expect(many.secondsToFirstToken.p90!).toBeLessThan(tooMany.secondsToFirstToken.p90!);
    expect(few.goodRequestsPerSecond).toBeCloseTo(few.requestsPerSecond, 6);
    expect(tooMany.goodRequestsPerSecond!).toBeLessThan(0.5 * tooMany.requestsPerSecond);
  });

  test('that were recorded are played as they were', () => {
    const arrivals = [
      { seconds: 0, inputTokens: 100, outputTokens: 2 },
      { seconds: 9, inputTokens: 4000, outputTokens: 2 },
    ];
    const { secondsToFirstToken } = predict(scenario({ load: { kind: 'recorded', arrivals } }));
    expect(secondsToFirstToken.p99!).toBeGreaterThan(5 * secondsToFirstToken.p50!);
  });
});

describe('offline', () => {
  const atOnce = (requests: number) => ({
    kind: 'recorded' as const,
    arrivals: Array.from({ length: requests }, () => ({ seconds: 0 })),
  });

  test('one request more than there is room for takes another wave', () => {
    const lengths = { inputTokens: 8, outputTokens: 2048 };
    const wide = { lengths, engine: 'trtllm', model: parseModelConfig(presets['gpt2-xl'], 'model') } as const;
    const room = deploy(scenario(wide), roofline).mostWritten;
    const seconds = (requests: number) =>
      requests / predict(scenario({ ...wide, load: atOnce(requests) })).requestsPerSecond;
    const full = seconds(room);
    const alone = seconds(1);
    // The last wave, of one, is as quick as it is alone.
    expect(seconds(room + 1) / (full + alone)).toBeCloseTo(1, 2);
    expect(seconds(2 * room) / (2 * full)).toBeCloseTo(1, 2);
  });

  test('ranks with requests of their own read whole prompts together, however long', () => {
    const deployment = aggregated({ dp: 4, ep: 4 });
    const given = { model: mixtral, deployment, lengths: { inputTokens: 20_000, outputTokens: 4 } };
    const { secondsToFirstToken } = predict(scenario({ ...given, engine: 'trtllm', load: atOnce(4) }));
    expect(secondsToFirstToken.p99).toBe(secondsToFirstToken.p50);
  });
});

describe('pools apart', () => {
  test('keys and values of a prompt go over the links', () => {
    const deployment = { kind: 'disaggregated', prefill: pool({ tp: 2 }), decode: pool({ tp: 2 }) } as const;
    const { transferSeconds } = deploy(scenario({ deployment }), roofline);
    const bytes = cacheBytes(model, { ...one, tp: 2 }, plainFormats, 1024);
    // Each device has half of the heads, and sends them at once.
    expect(2 * bytes).toBe(cacheBytes(model, one, plainFormats, 1024));
    expect(transferSeconds).toBeCloseTo(bytes / cluster.tiers[0]!.bytesPerSecond, 12);
  });
});

describe('what does not fit', () => {
  test('is said with what is short', () => {
    const big = parseModelConfig({ ...presets['llama-3.2-1b'], num_hidden_layers: 1600 }, 'model');
    const { fits, problem } = predict(scenario({ model: big }));
    expect(fits).toBe(false);
    expect(problem).toMatch(/^weights \(\d+\.\d GiB\) and buffers \(\d+\.\d GiB\) leave 0\.0 GiB of a device/);
    expect(predict(scenario({ model: big, deployment: aggregated({ tp: 8 }) })).fits).toBe(true);
  });
});

describe('drafts', () => {
  test('that are always right give as many tokens an iteration more; that never are cost', () => {
    const alone = { load: { kind: 'closed', concurrency: 1 } } as const;
    const perToken = (acceptance?: number) =>
      predict(
        scenario({
          ...alone,
          ...(acceptance === undefined ? {} : { speculation: { draftTokens: 3, acceptance, draftShare: 0.05 } }),
        }),
      ).secondsPerOutputToken.mean;
    expect(perToken() / perToken(1)).toBeGreaterThan(3.5);
    expect(perToken(0)).toBeGreaterThan(perToken());
  });
});
