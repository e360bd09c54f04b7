// Predictions of every row of a table, beside what was measured.

import { FivefoldError } from '../../errors.ts';
import type { ServingPrediction, ServingScenario } from '../serving/scenario.ts';
import type { TrainingPrediction, TrainingScenario } from '../training/scenario.ts';
import { type JudgedRow, type ServingMetric, servingMetrics } from './figures.ts';
import { type ServingFigure, servingCase } from './serving-row.ts';
import type { Row, Table } from './table.ts';
import { trainingCase } from './training-row.ts';

/** What is judged. A scenario that cannot be is an error, and its row is skipped with what the error says. */
export interface Predictors {
  readonly training: (scenario: TrainingScenario) => TrainingPrediction;
  readonly serving: (scenario: ServingScenario) => ServingPrediction;
}

/** Judges the rows in turn, each when it is asked for. */
export function* judge({ kind, rows }: Table, predictors: Predictors): Generator<JudgedRow> {
  for (const [index, row] of rows.entries()) {
    const named = { id: row.id ?? `row ${index + 1}`, source: row.source ?? '' };
    yield { ...named, ...judgeRow(kind, row, predictors) };
  }
}

type Judgement = Omit<JudgedRow, 'id' | 'source'>;

function judgeRow(kind: Table['kind'], row: Row, predictors: Predictors): Judgement {
  try {
    if (kind === 'training') return judgeTraining(row, predictors);
    if (kind === 'operators') return { skipped: 'it is of one operator, of which steps are made up' };
    return judgeServing(kind, row, predictors);
  } catch (error) {
    if (error instanceof FivefoldError) return { skipped: error.message };
    throw error;
  }
}

function judgeTraining(row: Row, { training }: Predictors): Judgement {
  const found = trainingCase(row);
  if (typeof found === 'string') return { skipped: found };
  const { scenarios, measured, assumed } = found;
  const { scenario, prediction, fits } = firstThatFits(scenarios, training);
  const { stepSeconds, memory, ranOutOfMemory } = measured;
  return {
    ...(stepSeconds === undefined ? {} : timeOf('seconds a step', prediction.stepSeconds, stepSeconds)),
    ...(memory === undefined ? {} : { memory: memoryOf(prediction, memory) }),
    fits: { predicted: fits, measured: !ranOutOfMemory },
    group: groupOf(scenario),
    alike: JSON.stringify([scenario.layout, scenario.microBatch, scenario.software]),
    assumed,
  };
}

const timeOf = (figure: string, predicted: number, measured: number) => ({
  figure,
  predicted,
  measured,
  error: predicted / measured - 1,
});

/** What a row is predicted to take: of several things it may mean the first that fits, or the last. */
export function firstThatFits(scenarios: readonly TrainingScenario[], predict: Predictors['training']) {
  const of = (scenario: TrainingScenario) => {
    const prediction = predict(scenario);
    return { scenario, prediction, fits: prediction.memory.total <= scenario.cluster.device.memoryBytes };
  };
  let last = of(scenarios[0]!);
  for (const scenario of scenarios.slice(1)) {
    if (last.fits) break;
    last = of(scenario);
  }
  return last;
}

/** Tensors are all but buffers; an allocator takes more. */
export const predictedBytes = ({ memory }: TrainingPrediction, kind: 'allocated' | 'reserved'): number =>
  kind === 'allocated' ? memory.total - memory.buffers : memory.total;

function memoryOf(prediction: TrainingPrediction, read: { bytes: number; kind: 'allocated' | 'reserved' }) {
  const predicted = predictedBytes(prediction, read.kind);
  return { predicted, measured: read.bytes, error: predicted / read.bytes - 1 };
}

/** Same model, devices, sequences of a step and numbers: of vocabularies, which layouts pad otherwise, no regard is had. */
function groupOf({ config, cluster, seqLen, layout, microBatch, microbatches, formats }: TrainingScenario): string {
  const { layers, hiddenSize, heads, kvHeads, intermediateSize, mixture } = config;
  const sequences = layout.dp * layout.ep * microBatch * microbatches;
  const sizes = [layers, hiddenSize, heads, kvHeads, intermediateSize, mixture?.experts ?? 0];
  return JSON.stringify([sizes, cluster.device.name, cluster.devices, seqLen, sequences, formats.products]);
}

function judgeServing(kind: 'latencies' | 'throughputs', row: Row, { serving }: Predictors): Judgement {
  const found = servingCase(kind, row);
  if (typeof found === 'string') return { skipped: found };
  const { scenario, figure, measured } = found;
  const prediction = serving(scenario);
  if (!prediction.fits) return { fits: { predicted: false, measured: true } };
  const predicted: Record<ServingMetric, number> = {
    timeToFirstToken: prediction.secondsToFirstToken.mean,
    timePerOutputToken: prediction.secondsPerOutputToken.mean,
    throughput: prediction.outputTokensPerSecond,
  };
  const metricErrors = Object.fromEntries(
    servingMetrics.flatMap((metric) => {
      const value = measured[metric];
      return value === undefined ? [] : [[metric, predicted[metric] / value - 1]];
    }),
  );
  return {
    ...timeOf(figureNames[figure], predicted[figure], measured[figure]!),
    metricErrors,
    fits: { predicted: true, measured: true },
  };
}

const figureNames = {
  timePerOutputToken: 'seconds an output token',
  throughput: 'output tokens a second',
} as const satisfies Record<ServingFigure, string>;
