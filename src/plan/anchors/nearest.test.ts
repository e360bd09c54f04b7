import { expect, test } from 'vitest';
import { replicasOf } from '../../mesh/mesh.ts';
import { checkFit } from '../../model/fit.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { softwareSchema } from '../software/software-schema.ts';
import { anchorScenario } from './anchor.ts';
import { anchorLines } from './anchors.ts';
import { allAnchors, distance, nearestAnchors } from './nearest.ts';

const all = allAnchors(anchorLines);

test('every anchor is a run that can be predicted, with what it took and its source', () => {
  expect(all.length).toBeGreaterThanOrEqual(100);
  for (const anchor of all) {
    const { config, layout, microBatch, microbatches, seqLen } = anchorScenario(anchor);
    const globalBatch = replicasOf(layout) * microBatch * microbatches;
    expect(checkFit(config, layout, { microBatch, seqLen, globalBatch })).toBe(microbatches);
    expect(anchor.stepSeconds).toBeGreaterThan(0);
    expect(anchor.source).not.toBe('');
    // Nothing that software has no word for.
    expect(softwareSchema.safeParse(anchor.software).error).toBeUndefined();
  }
});

test('they are of all kinds: devices, mixtures, formats, and none twice', () => {
  const scenarios = all.map(anchorScenario);
  const kinds = (of: (each: (typeof scenarios)[number]) => unknown): number => new Set(scenarios.map(of)).size;
  expect(kinds(({ cluster }) => cluster.device.architecture)).toBeGreaterThanOrEqual(3);
  expect(kinds(({ config }) => config.mixture === undefined)).toBe(2);
  expect(kinds(({ formats }) => formats.products)).toBeGreaterThanOrEqual(3);
  for (const [at, scenario] of scenarios.entries())
    for (const other of scenarios.slice(at + 1)) expect(distance(scenario, other)).toBeGreaterThan(0);
});

test('the nearest to a measured run is that run, predicted as itself', () => {
  const [anchor] = all.filter(({ cluster }) => cluster.startsWith('8x'));
  const [nearest, next] = nearestAnchors(anchorScenario(anchor!), fittedCosts, 2);
  expect(nearest!.anchor).toBe(anchor);
  expect(next!.predictedSeconds).toBeGreaterThan(0);
});
