// A plan of serving as plan --json writes it, read back: the deployments it found with their loads, and what was asked.
import { z } from 'zod';
import { parseDeployment } from '../plan/deployments/deployment-text.ts';
import { deployer } from '../plan/deployments/instances.ts';
import { servingObjectives } from '../plan/deployments/objective.ts';
import { playRate } from '../plan/deployments/play-rate.ts';
import type { Loaded } from '../plan/deployments/task.ts';
import type { ServingQuestion } from '../plan/explain/serving-question.ts';
import { engineNames } from '../plan/serving/engines.ts';
import { fittedServing } from '../plan/serving/predict-serving.ts';
import { parseSpeculation, printSpeculation } from '../plan/serving/speculation.ts';
import { steadyServing } from '../plan/serving/steady-serving.ts';
import { servedCaches, servedWeights } from './check-format.ts';
import { count, namedAgain, namedFields, namedJson } from './named.ts';
import type { PlanLines } from './plan-lines.ts';
import { type ServingAsked, servingTask } from './serving-task.ts';

const positive = z.number().positive();

const askedFields = z.object({
  ...namedFields,
  precision: z.enum(servedWeights),
  cache: z.enum(servedCaches),
  engine: z.enum(engineNames),
  inputTokens: count,
  outputTokens: count,
  ttft: positive,
  tpot: positive,
  concurrency: count.optional(),
  rate: positive.optional(),
  speculate: z
    .string()
    .refine((text) => parseSpeculation(text) !== undefined, 'no draft')
    .transform(parseSpeculation)
    .optional(),
  objective: z.enum(servingObjectives),
});

const deploymentLine = z.object({ rank: count, layout: z.string(), concurrency: positive });
const lastLine = z.object({ done: z.literal(true), asked: askedFields });

/** The `asked` of a plan's last line. */
export const servingAskedJson = (asked: ServingAsked, { objective, requestsPerSecond }: ServingQuestion) => {
  const { formats, engine, lengths, targets, concurrency, speculation } = asked.task;
  return {
    serve: true,
    ...namedJson(asked),
    precision: formats.weights,
    cache: formats.cache,
    engine,
    inputTokens: lengths.inputTokens,
    outputTokens: lengths.outputTokens,
    ttft: targets.secondsToFirstToken,
    tpot: targets.secondsPerOutputToken,
    concurrency,
    rate: requestsPerSecond,
    ...(speculation ? { speculate: printSpeculation(speculation) } : {}),
    objective,
  };
};

export interface ReadServingPlan {
  readonly asked: ServingAsked;
  readonly question: ServingQuestion;
  /** The best first; at least one. */
  readonly found: readonly Loaded[];
}

/** @throws PLAN_INVALID for what plan has not written; what predict throws for what it says was asked */
export function readServingPlan(lines: PlanLines): ReadServingPlan {
  const last = lines.count - 1;
  const { objective, precision, ...given } = lines.read(lastLine, last).asked;
  const named = namedAgain(given, lines.path);
  const { config, cluster } = named;
  const { rate } = given;
  const task = servingTask(config, cluster, { ...given, products: precision });
  const question = { objective, ...(rate === undefined ? {} : { requestsPerSecond: rate }) };
  const deployFor = deployer(task, fittedServing);
  const found = Array.from({ length: last }, (_, at): Loaded => {
    const { layout, concurrency } = lines.read(deploymentLine, at);
    const deployment = parseDeployment(layout, config, cluster.devices);
    const deployed = deployFor(deployment);
    if (deployed.writers.instance.room === 0 || deployed.readers?.instance.room === 0)
      return lines.invalid(`line ${at + 1}: ${layout} has no room for a request`);
    const prediction =
      rate === undefined
        ? steadyServing(deployed, concurrency)
        : playRate(task, fittedServing, deployFor, { deployment, requestsPerSecond: rate });
    return { deployment, concurrency, prediction };
  });
  return { asked: { ...named, task }, question, found };
}
