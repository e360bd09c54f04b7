// Estimates of layouts whose time can be worked out by hand, on a machine where only what is looked at costs anything.
import { expect, test } from 'vitest';
import { parseLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import { parseModelConfig } from '../model/families.ts';
import { checkFit } from '../model/fit.ts';
import type { StepSettings } from '../step/settings.ts';
import { buildTrainingStep, trainingPrograms } from '../step/training-step.ts';
import { estimateStep } from './estimate-step.ts';
import { predictRank } from './predict-step.ts';

const config = parseModelConfig(
  {
    model_type: 'llama',
    vocab_size: 260,
    hidden_size: 32,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    intermediate_size: 48,
  },
  'llama',
);
const batch = { seqLen: 16, globalBatch: 8, microBatch: 1 };
const settingsOf = (text: string): StepSettings => {
  const layout = parseLayout(text);
  return { config, layout, ...batch, microbatches: checkFit(config, layout, batch), precision: 'f32' };
};
const predict = (text: string, rank = 0) => predictRank(buildTrainingStep(settingsOf(text), rank));
const oneFlops = predict('tp=1').flops;
/** One rank takes a second, and talking is free. */
const free = { secondsPerFlop: 1 / oneFlops, secondsPerCall: 0, secondsPerByte: 0, cores: 64 };

test('one rank is exact: it is what the rates come from', () => {
  expect(estimateStep(settingsOf('tp=1'), free)).toBeCloseTo(1, 12);
});

test('with enough cores and free talk every rank takes its share of the work, a pipeline its empty places too', () => {
  for (const text of ['dp=2', 'dp=4', 'tp=2'])
    expect(estimateStep(settingsOf(text), free)).toBeCloseTo(predict(text).flops / oneFlops, 12);
  expect(predict('dp=4').flops / oneFlops).toBeCloseTo(1 / 4, 12);
  const [first, last] = [predict('pp=2', 0).flops, predict('pp=2', 1).flops].map((flops) => flops / oneFlops);
  // The last stage, which has the head, is never out of work between the first microbatch's arrival and its last backward.
  const pipeline = estimateStep(settingsOf('pp=2'), free);
  expect(pipeline).toBeGreaterThan(last!);
  expect(pipeline).toBeCloseTo(last! + first! / 8, 12);
});

test('ranks beyond the cores wait for one', () => {
  for (const text of ['dp=4', 'tp=4', 'pp=4']) {
    const work = Array.from({ length: 4 }, (_, rank) => predict(text, rank).flops).reduce((a, b) => a + b) / oneFlops;
    expect(estimateStep(settingsOf(text), { ...free, cores: 1 })).toBeCloseTo(work, 12);
  }
});

test('every byte that is predicted to be sent takes its time', () => {
  for (const text of ['dp=2', 'tp=2', 'tp=2,sp']) {
    const { bytesSent, flops } = predict(text);
    const bytes = Object.values(bytesSent)
      .flatMap((ops) => Object.values(ops ?? {}))
      .reduce((a, b) => a + b, 0);
    const talking = estimateStep(settingsOf(text), { ...free, secondsPerByte: 1e-9 }) - flops / oneFlops;
    expect(talking).toBeCloseTo(bytes * 1e-9, 12);
  }
  expect(estimateStep(settingsOf('pp=2'), { ...free, secondsPerByte: 1e-6 })).toBeGreaterThan(
    estimateStep(settingsOf('pp=2'), free),
  );
});

test('of what replicas send when they meet, every step has its share', () => {
  const outer = { every: 10, learningRate: 0.7, momentum: 0.9 };
  const settings = { ...settingsOf('dp=4'), outer };
  const [step, meeting] = trainingPrograms(settings, 0).map((program) => {
    const { bytesSent, flops } = predictRank(program);
    const bytes = Object.values(bytesSent.dp ?? {}).reduce((a, b) => a + b);
    return { bytes, flops };
  });
  const talking = estimateStep(settings, { ...free, secondsPerByte: 1e-9 }) - step!.flops / oneFlops;
  expect(talking).toBeCloseTo((step!.bytes + meeting!.bytes / 10) * 1e-9, 12);
  const together = estimateStep(settingsOf('dp=4'), { ...free, secondsPerByte: 1e-9 }) - step!.flops / oneFlops;
  expect(talking / together).toBeCloseTo(0.1, 2);
});

test('recomputation takes the time of the FLOPs it adds, ZeRO that of the bytes', () => {
  const recomputed = estimateStep(settingsOf('tp=1,recompute=full'), free);
  expect(recomputed).toBeCloseTo(predict('tp=1,recompute=full').flops / oneFlops, 12);
  expect(recomputed).toBeGreaterThan(1.1);
  const rates = { ...free, secondsPerByte: 1e-9 };
  const talking = (text: string) => estimateStep(settingsOf(text), rates) - predict(text).flops / oneFlops;
  // Gradients scattered and weights gathered once are one all-reduce; gathered twice a microbatch they are much more.
  expect(talking('dp=4,zero=1') / talking('dp=4')).toBeCloseTo(1, 1);
  expect(talking('dp=4,zero=3') / talking('dp=4')).toBeGreaterThan(1.9);
});

test('virtual stages and zero-bubble schedules make a pipeline faster, by less than its empty places', () => {
  const busiest = Math.max(...[0, 1].map((rank) => predict('pp=2', rank).flops / oneFlops));
  const plain = estimateStep(settingsOf('pp=2'), free);
  for (const text of ['pp=2,virtual=2', 'pp=2,schedule=zb-h1']) {
    const better = estimateStep(settingsOf(text), free);
    expect(better, text).toBeLessThan(plain);
    expect(better, text).toBeGreaterThanOrEqual(busiest * (1 - 1e-12));
  }
});

test('every microbatch of every chunk counts: on one core a step takes the FLOPs of all ranks', () => {
  for (const text of ['pp=2,virtual=2', 'pp=4,schedule=zb-h1', 'pp=2,dp=2,virtual=2,zero=3,recompute=selective']) {
    const ranks = worldSize(settingsOf(text).layout);
    const work = Array.from({ length: ranks }, (_, rank) => predict(text, rank).flops).reduce((a, b) => a + b);
    expect(estimateStep(settingsOf(text), { ...free, cores: 1 }), text).toBeCloseTo(work / oneFlops, 12);
  }
});
