// The planner needs nothing of Node: bundled for a browser, it runs where there is nothing but JavaScript, and says there what it says here.
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import * as planner from '../src/planner.ts';

const program = `(planner) => {
  const task = {
    config: planner.parseModelConfig(planner.presets['qwen3-30b-a3b'], 'qwen3-30b-a3b'),
    cluster: planner.parseCluster('16xh100'),
    seqLen: 4096,
    globalBatch: 16,
    formats: planner.mixedPrecision('bf16'),
    software: planner.currentSoftware,
  };
  const layout = planner.parseLayout('ep=8,dp=2,zero=1,recompute=full');
  const scenario = { ...task, layout, microBatch: 1, microbatches: 1 };
  return JSON.stringify(planner.predictTraining(scenario, planner.fittedCosts));
}`;

test('where there is nothing but JavaScript', async () => {
  const { outputFiles } = await build({
    entryPoints: ['src/planner.ts'],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'planner',
    platform: 'browser',
  });
  const context = createContext({});
  const there = runInContext(`${outputFiles[0]!.text};(${program})(planner)`, context) as string;
  const here = (new Function(`return ${program}`)() as (of: typeof planner) => string)(planner);
  expect(JSON.parse(there).stepSeconds).toBeGreaterThan(0);
  expect(there).toBe(here);
});
