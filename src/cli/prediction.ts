// A prediction of training as the command line shows it: one JSON object, or bars of its memory and its time.
import { printLayout } from '../mesh/layout.ts';
import { fittedCosts } from '../plan/cost/fitted-costs.ts';
import { devicesText, kindsOf } from '../plan/hardware/kinds.ts';
import { fitsAll, fitsOnDevices, usableBytes } from '../plan/training/fits.ts';
import { intervalsOf } from '../plan/training/interval.ts';
import type { Interval } from '../plan/training/interval-shape.ts';
import { naturalStepSeconds } from '../plan/training/natural-step.ts';
import { isOffloaded, layoutName, printOffload } from '../plan/training/offload.ts';
import type { TrainingPrediction, TrainingScenario } from '../plan/training/scenario.ts';
import { isSeen, memoryParts, timeParts } from '../report/parts.ts';
import { formatBytes, formatFlopsPerSecond, formatPercent, formatSeconds } from '../units.ts';
import type { Asked } from './asked.ts';
import { softwareText } from './asked-software.ts';
import { stackedBars } from './ui/bars.ts';
import { paint } from './ui/colour.ts';

/** Which layout it is, of the JSON contract. */
export const layoutJson = ({ layout, microBatch, offload }: TrainingScenario) => ({
  layout: printLayout(layout),
  microBatch,
  ...(offload && isOffloaded(offload) ? { offload: printOffload(offload) } : {}),
});

/** The fields of the JSON contract. */
export const predictionJson = (scenario: TrainingScenario, prediction: TrainingPrediction) => ({
  stepSeconds: prediction.stepSeconds,
  stepSecondsNatural: naturalStepSeconds(scenario, fittedCosts),
  tokensPerSecondPerGpu: prediction.tokensPerSecondPerDevice,
  modelFlopsPerSecondPerGpu: prediction.modelFlopsPerSecondPerDevice,
  mfu: prediction.mfu,
  fits: fitsAll(scenario, prediction),
  memoryBytes: prediction.memory,
  ...(prediction.host ? { hostBytes: prediction.host.bytes } : {}),
  time: prediction.time,
  interval: intervalsOf(scenario, prediction),
});

const hostLines = ({ host }: TrainingPrediction): string[] =>
  host
    ? [
        `of the host's memory: ${formatBytes(host.bytes)} a rank, ${host.bytes <= host.room ? 'fits' : 'does not fit'} in the ${formatBytes(host.room)} that each has`,
      ]
    : [];

/** Tokens that go to experts evenly are what benchmarks force; a router in training does not. */
function naturalLines(scenario: TrainingScenario, stepSeconds: number): string[] {
  const natural = naturalStepSeconds(scenario, fittedCosts);
  if (natural === undefined) return [];
  return [
    `with experts used alike; as routers choose them about ${formatSeconds(natural)}, ${(natural / stepSeconds).toFixed(2)} times as long`,
  ];
}

export function showPrediction(
  { model, software }: Pick<Asked, 'model' | 'software'>,
  scenario: TrainingScenario,
  prediction: TrainingPrediction,
  { colour, columns }: { readonly colour: boolean; readonly columns: number },
): string {
  const { cluster } = scenario;
  const { memory, time, stepSeconds } = prediction;
  const likely = intervalsOf(scenario, prediction);
  const kinds = kindsOf(cluster);
  const width = Math.max(10, Math.min(50, columns - 45));
  const memoryBars = stackedBars({
    bars: memoryParts.map(({ key, name }) => ({
      name,
      value: memory[key],
      text: formatBytes(memory[key]),
    })),
    full: Math.max(memory.total, ...kinds.map(({ memoryBytes }) => memoryBytes)),
    width,
    colour,
  });
  const timeBars = stackedBars({
    bars: timeParts
      .filter(({ key }) => isSeen(time[key], stepSeconds))
      .map(({ key, name }) => ({
        name,
        value: time[key],
        text: `${formatSeconds(time[key])} ${formatPercent(time[key] / stepSeconds).padStart(6)}`,
      })),
    full: stepSeconds,
    width,
    colour,
  });
  const usable = kinds.length === 1 ? ` in the ${formatBytes(usableBytes(cluster.device))} that are usable` : '';
  const verdict = `${fitsOnDevices(scenario, prediction) ? 'fits' : 'does not fit'}${usable}`;
  return [
    paint(`${model} on ${cluster.name} (${devicesText(cluster)}), ${layoutName(scenario)}`, 'bold', colour),
    '',
    `a step ${formatSeconds(stepSeconds)}, ${Math.round(prediction.tokensPerSecondPerDevice)} tokens/s a device, ${formatFlopsPerSecond(prediction.modelFlopsPerSecondPerDevice)} of the model a device (${formatPercent(prediction.mfu)} of peak)`,
    `with ${softwareText(software.name)} eight of ten runs like it take ${between(likely.stepSeconds, formatSeconds)} and need ${between(likely.memoryBytes, formatBytes)}`,
    ...naturalLines(scenario, stepSeconds),
    '',
    `memory of a rank of the fullest stage: ${formatBytes(memory.total)}, ${verdict}`,
    memoryBars,
    ...hostLines(prediction),
    '',
    'time of a step, on the stage that works longest',
    timeBars,
  ].join('\n');
}

const between = ([low, high]: Interval, format: (value: number) => string): string =>
  `${format(low)} to ${format(high)}`;
