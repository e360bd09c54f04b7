// A prediction of training as the command line shows it: one JSON object, or bars of its memory and its time.
import { printLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import { fits } from '../plan/training/fits.ts';
import type { StepTime, TrainingMemory, TrainingPrediction, TrainingScenario } from '../plan/training/scenario.ts';
import { stackedBars } from './ui/bars.ts';
import { paint } from './ui/colour.ts';
import { formatBytes, formatFlopsPerSecond, formatPercent, formatSeconds } from './ui/units.ts';

/** The fields of the JSON contract. */
export const predictionJson = ({ cluster }: TrainingScenario, prediction: TrainingPrediction) => ({
  stepSeconds: prediction.stepSeconds,
  tokensPerSecondPerGpu: prediction.tokensPerSecondPerDevice,
  modelFlopsPerSecondPerGpu: prediction.modelFlopsPerSecondPerDevice,
  mfu: prediction.mfu,
  fits: fits(prediction.memory, cluster.device),
  memoryBytes: prediction.memory,
  time: prediction.time,
});

const memoryNames: Readonly<Record<Exclude<keyof TrainingMemory, 'total'>, string>> = {
  weights: 'weights',
  gradients: 'gradients',
  optimizer: 'optimizer',
  activations: 'activations',
  buffers: 'buffers',
};

export const timeNames: Readonly<Record<keyof StepTime, string>> = {
  compute: 'compute',
  launches: 'waiting for the host',
  tp: 'tensor parallel',
  cp: 'context parallel',
  ep: 'experts',
  dp: 'gradients and parameters',
  pp: 'between stages',
  bubble: 'bubble',
  optimizer: 'optimizer',
};

export function showPrediction(
  { config, cluster, layout }: TrainingScenario,
  prediction: TrainingPrediction,
  { colour, columns }: { readonly colour: boolean; readonly columns: number },
): string {
  const { memory, time, stepSeconds } = prediction;
  const { device } = cluster;
  const width = Math.max(10, Math.min(50, columns - 45));
  const memoryBars = stackedBars({
    bars: keysOf(memoryNames).map((key) => ({
      name: memoryNames[key],
      value: memory[key],
      text: formatBytes(memory[key]),
    })),
    full: Math.max(memory.total, device.memoryBytes),
    width,
    colour,
  });
  const timeBars = stackedBars({
    bars: keysOf(timeNames)
      .filter((key) => time[key] > stepSeconds / 10_000)
      .map((key) => ({
        name: timeNames[key],
        value: time[key],
        text: `${formatSeconds(time[key])} ${formatPercent(time[key] / stepSeconds).padStart(6)}`,
      })),
    full: stepSeconds,
    width,
    colour,
  });
  const verdict = fits(memory, device)
    ? `fits in ${formatBytes(device.memoryBytes)}`
    : `does not fit in ${formatBytes(device.memoryBytes)}`;
  return [
    paint(
      `${config.family} on ${cluster.name} (${worldSize(layout)} × ${device.title}), ${printLayout(layout)}`,
      'bold',
      colour,
    ),
    '',
    `a step ${formatSeconds(stepSeconds)}, ${Math.round(prediction.tokensPerSecondPerDevice)} tokens/s a device, ${formatFlopsPerSecond(prediction.modelFlopsPerSecondPerDevice)} of the model a device (${formatPercent(prediction.mfu)} of peak)`,
    '',
    `memory of a rank of the fullest stage: ${formatBytes(memory.total)}, ${verdict}`,
    memoryBars,
    '',
    'time of a step, on the stage that works longest',
    timeBars,
  ].join('\n');
}

const keysOf = <K extends string>(names: Readonly<Record<K, string>>): K[] => Object.keys(names) as K[];
