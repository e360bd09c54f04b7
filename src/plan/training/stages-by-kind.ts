// Layers of stages on devices of several kinds, by how long each kind takes for one.
import { virtualLayers } from '../../mesh/layout.ts';
import type { Device } from '../hardware/device.ts';
import { kindsOfStages } from '../hardware/kinds.ts';
import { stageSizes } from '../stage-sizes.ts';
import { summariseStages } from '../summary/stage-summary.ts';
import { type CostModel, trainingCosts } from './costs.ts';
import { onKind } from './mixed.ts';
import { stepSettings } from './predict-training.ts';
import { allSeconds, runSeconds } from './run-seconds.ts';
import { type TrainingScenario, widthsOf } from './scenario.ts';

/**
 * The same with as many layers on each virtual stage as its slowest kind does in the time of the others, so that the longest is least; unless the layout
 * says how many, or all stages are on one kind. Memory is not looked at.
 */
export function withStagesByKind(scenario: TrainingScenario, model: CostModel): TrainingScenario {
  const { layout, config, formats, software } = scenario;
  const kinds = kindsOfStages(scenario.cluster, layout);
  if (layout.pp === 1 || layout.stages || new Set(kinds.flat()).size === 1) return scenario;
  // The last stage has layers and the head.
  const [last] = summariseStages(stepSettings(scenario), widthsOf(formats), [layout.pp - 1]);
  const parts = last!.chunks.flatMap((chunk) => chunk.parts);
  const secondsOn = (name: 'block' | 'head', device: Device): number => {
    const { part } = parts.find((each) => each.part.name === name)!;
    const costs = trainingCosts(onKind(scenario, device), model);
    const passes = [part.forward, part.backward];
    return passes.reduce((sum, run) => sum + allSeconds(runSeconds(run, costs, software, part.policy)), 0);
  };
  const sizes = sizesByKind(kinds, layout.virtual, config.layers, secondsOn);
  const even = virtualLayers(layout, config.layers).map(([first, end]) => end - first);
  return sizes.every((size, virtual) => size === even[virtual])
    ? scenario
    : { ...scenario, layout: { ...layout, stages: sizes } };
}

/** Layers of each virtual stage. `kinds`: those of each stage; `secondsOn`: both passes of a microbatch. */
export function sizesByKind(
  kinds: readonly (readonly Device[])[],
  virtual: number,
  layers: number,
  secondsOn: (name: 'block' | 'head', device: Device) => number,
): number[] {
  const pp = kinds.length;
  const slowest = (name: 'block' | 'head', stage: number) =>
    Math.max(...kinds[stage]!.map((device) => secondsOn(name, device)));
  const layer = kinds.map((_, stage) => slowest('block', stage));
  const reference = layer[pp - 1]!;
  return stageSizes(
    { layers: Array.from({ length: layers }, () => reference), head: slowest('head', pp - 1) },
    Array.from({ length: pp * virtual }, (_, at) => reference / layer[at % pp]!),
  );
}
