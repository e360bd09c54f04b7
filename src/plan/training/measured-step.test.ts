// On a machine that was measured a step takes what its instructions do: those of the very program that runs, each kernel and each call once.
import { describe, expect, test } from 'vitest';
import { measuredMachine } from '../../../test/measured-machine.ts';
import { parseLayout } from '../../mesh/layout.ts';
import { replicasOf, worldSize } from '../../mesh/mesh.ts';
import { parseModelConfig } from '../../model/families.ts';
import { findPreset } from '../../model/presets.ts';
import { kernelOf } from '../../program/kernel-of.ts';
import type { Instruction, RankProgram } from '../../step/step.ts';
import { buildTrainingStep } from '../../step/training-step.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { measuredCluster } from '../hardware/measured-cluster.ts';
import type { MeasuredPace } from '../hardware/measured-machine.ts';
import { ownRuntime } from '../software/software.ts';
import { playTraining, predictTraining, stepSettings } from './predict-training.ts';
import { mixedPrecision, type TrainingScenario } from './scenario.ts';

const llama = parseModelConfig({ ...findPreset('llama-tiny'), num_hidden_layers: 2 }, 'llama');
const mixtral = parseModelConfig({ ...findPreset('mixtral-tiny'), num_hidden_layers: 2 }, 'mixtral');

function scenarioOf(text: string, config = llama): TrainingScenario {
  const layout = parseLayout(text);
  return {
    config,
    layout,
    seqLen: 64,
    microBatch: 2,
    microbatches: 4 / replicasOf(layout),
    cluster: measuredCluster(measuredMachine(), worldSize(layout)),
    formats: mixedPrecision('fp32'),
    software: ownRuntime,
  };
}

/** Of all instructions of the first rank, one after another. */
function walked(scenario: TrainingScenario): number {
  const { cluster, formats } = scenario;
  const program: RankProgram = buildTrainingStep(stepSettings(scenario), 0);
  const nodesOf = (instruction: Instruction) => {
    if (instruction.kind === 'compute') return program.segments[instruction.segment]!.piece.nodes;
    return instruction.kind === 'host' || instruction.kind === 'blocks' ? [instruction.node] : [];
  };
  const kernelFormats = { products: formats.products, activations: formats.activations };
  const secondsOf = (kernel: ReturnType<typeof kernelOf>): number =>
    kernel ? fittedCosts.kernelSeconds(kernel, cluster.device, kernelFormats) : 0;
  return program.instructions.reduce((sum, instruction) => {
    const bytesOf = (id: number) => program.buffers[id]!.bytes;
    if (instruction.kind === 'zero') {
      const bytes = instruction.buffers.reduce((all, id) => all + bytesOf(id), 0);
      return sum + secondsOf({ kind: 'memory', floats: 0, bytes, op: 'zero' });
    }
    if (instruction.kind === 'collective') {
      const { call, group, input, how } = instruction;
      const bytes = how.width === undefined ? bytesOf(input) : how.rows! * how.width * 4;
      return sum + fittedCosts.talkSeconds({ call, bytes, spread: [group.ranks.length] }, cluster);
    }
    return nodesOf(instruction).reduce((all, node) => all + secondsOf(kernelOf(node)), sum);
  }, 0);
}

describe('a step is as long as its instructions', () => {
  test.each([
    ['tp=1'],
    ['tp=1,recompute=full'],
    ['tp=1,recompute=selective'],
    ['dp=2'],
    ['dp=2,zero=1'],
    ['dp=2,zero=2'],
    ['dp=2,zero=3'],
    ['tp=2'],
    ['tp=2,sp,recompute=full'],
    ['cp=2,cpMode=ulysses'],
    ['cp=2'],
    ['cp=2,cpMode=gather'],
  ])('%s', (layout) => {
    const scenario = scenarioOf(layout);
    // Of buckets that are alike one stands for all: the sum of their norms has some operands of 8 bytes fewer.
    expect(predictTraining(scenario, fittedCosts).stepSeconds / walked(scenario)).toBeCloseTo(1, 7);
  });

  test.each([['tp=1'], ['ep=2'], ['dp=2']])('of a mixture, %s', (layout) => {
    const scenario = scenarioOf(layout, mixtral);
    expect(predictTraining(scenario, fittedCosts).stepSeconds / walked(scenario)).toBeCloseTo(1, 7);
  });
});

test('alone a rank is as much faster as was measured', () => {
  const of = (ranks: number) => {
    const cluster = measuredCluster(measuredMachine(), ranks);
    return predictTraining({ ...scenarioOf('tp=1'), cluster }, fittedCosts).stepSeconds;
  };
  expect(of(1) / of(2)).toBeCloseTo(0.75, 9);
});

describe('ranks that meet take longer for their kernels, not for what they say', () => {
  const timeOf = (layout: string, pace: MeasuredPace) => {
    const scenario = scenarioOf(layout);
    const cluster = measuredCluster({ ...measuredMachine(), pace }, 2);
    return predictTraining({ ...scenario, cluster }, fittedCosts).time;
  };
  const always = (over: number): MeasuredPace => [
    [1e-9, over],
    [1, over],
  ];
  test.each(['dp=2', 'tp=2', 'cp=2', 'pp=2'])('%s', (layout) => {
    const [alone, slowed] = [timeOf(layout, always(1)), timeOf(layout, always(1.25))];
    for (const part of ['compute', 'optimizer', 'bubble'] as const)
      expect(slowed[part]).toBeCloseTo(1.25 * alone[part], 12);
    for (const part of ['tp', 'cp', 'dp'] as const) expect(slowed[part]).toBe(alone[part]);
  });

  test('the more often they meet, the more', () => {
    const pace: MeasuredPace = [
      [1e-9, 3],
      [1, 1],
    ];
    const over = (layout: string) => timeOf(layout, pace).compute / timeOf(layout, always(1)).compute;
    expect([over('dp=2'), over('pp=2')]).toEqual([1, 1]);
    expect(over('cp=2')).toBeGreaterThan(1);
    expect(over('tp=2')).toBeGreaterThan(1);
  });
});

test('stages work at the pace of as many ranks as their schedule leaves at work', () => {
  const pace: MeasuredPace = [[1, 1.5]];
  const at = (layout: string, turns: number) => ({
    ...scenarioOf(layout),
    cluster: measuredCluster({ ...measuredMachine(), pace, turns }, 2),
  });
  const compute = (layout: string, turns: number) => predictTraining(at(layout, turns), fittedCosts).time.compute;
  const { bubbleFraction } = playTraining(at('pp=2', 1), fittedCosts);
  expect(bubbleFraction).toBeGreaterThan(0.1);
  expect(compute('pp=2', 1.4) / compute('pp=2', 1)).toBeCloseTo(1 + 0.4 * bubbleFraction, 12);
  expect(compute('tp=2', 1.4)).toBe(compute('tp=2', 1));
});
