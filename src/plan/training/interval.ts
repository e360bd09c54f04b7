// How far off a prediction may be: between which bounds four of five measurements lie that it stands for, by what it leans on.
import { rateOf } from '../hardware/number-format.ts';
import { changeOf } from '../software/parse-software.ts';
import { intervalParameters } from './interval-parameters.ts';
import type { Interval, IntervalParameters, Trait } from './interval-shape.ts';
import type { TrainingPrediction, TrainingScenario } from './scenario.ts';

export const traits: Readonly<Record<Trait, (scenario: TrainingScenario) => boolean>> = {
  mixture: ({ config }) => config.mixture !== undefined,
  /** Devices of several nodes. */
  nodes: ({ cluster }) => cluster.devices > cluster.tiers[0]!.devices,
  /** Products of fewer than 16 bits. */
  narrow: ({ formats }) => ['fp8', 'fp4', 'int8'].includes(rateOf[formats.products]),
  long: ({ seqLen }) => seqLen >= 16384,
  blackwell: ({ cluster }) => cluster.device.architecture.startsWith('blackwell'),
};

/** Architectures of which steps were measured; others are taken to be twice as uncertain. */
const measured: readonly string[] = ['ampere', 'hopper', 'blackwell', 'blackwell-ultra'];
const unmeasuredFactor = 2;

/** Usual size of an error, as a logarithm. */
export function errorWidth(
  scenario: TrainingScenario,
  { width, factors }: IntervalParameters = intervalParameters,
): number {
  const { device } = scenario.cluster;
  const isMeasured = device.measured !== undefined || measured.includes(device.architecture);
  const factor = (Object.keys(traits) as Trait[]).reduce(
    (product, trait) => product * (traits[trait](scenario) ? factors[trait] : 1),
    isMeasured ? 1 : unmeasuredFactor,
  );
  return width * factor;
}

/** In usual widths. */
export const boundsOf = ({ software }: TrainingScenario, { low, high, tuned }: IntervalParameters): Interval =>
  Object.keys(changeOf(software)).length === 0 ? tuned : [low, high];

/** Seconds of a step, and bytes of the fullest rank: of ten runs like this eight lie within. */
export function intervalsOf(
  scenario: TrainingScenario,
  { stepSeconds, memory }: Pick<TrainingPrediction, 'stepSeconds' | 'memory'>,
  parameters: IntervalParameters = intervalParameters,
): { readonly stepSeconds: Interval; readonly memoryBytes: Interval } {
  const width = errorWidth(scenario, parameters);
  const [low, high] = boundsOf(scenario, parameters);
  const around = (value: number, [low, high]: Interval): Interval => [value * Math.exp(low), value * Math.exp(high)];
  return {
    stepSeconds: around(stepSeconds, [width * low, width * high]),
    memoryBytes: around(memory.total, parameters.memory),
  };
}
