// A plan of training as plan --json writes it, read back: the layouts it found, and what was asked.
import { z } from 'zod';
import { formatBytes, type NumberFormat } from '../plan/hardware/number-format.ts';
import { type ObjectiveName, objectiveNames } from '../plan/search/objective.ts';
import type { SearchTask } from '../plan/search/task.ts';
import { parseOffload, printOffload } from '../plan/training/offload.ts';
import type { TrainingScenario } from '../plan/training/scenario.ts';
import { type Asked, checked } from './asked.ts';
import { askedScenario } from './asked-layout.ts';
import { askedSoftware } from './asked-software.ts';
import { count, namedAgain, namedFields, namedJson } from './named.ts';
import type { PlanLines } from './plan-lines.ts';

const askedFields = z.object({
  ...namedFields,
  seqLen: count,
  globalBatch: count,
  precision: z.enum(Object.keys(formatBytes) as NumberFormat[]),
  software: z.string(),
  offload: z.string().optional(),
  objective: z.enum(objectiveNames),
});

const layoutLine = z.object({
  rank: count,
  layout: z.string(),
  microBatch: count,
  offload: z.string().optional(),
  stepSeconds: z.number().positive(),
});
const lastLine = z.object({ done: z.literal(true), asked: askedFields });

/** The `asked` of a plan's last line. */
export const askedJson = (
  asked: Asked,
  { globalBatch }: Pick<SearchTask, 'globalBatch'>,
  objective: ObjectiveName,
) => ({
  ...namedJson(asked),
  seqLen: asked.seqLen,
  globalBatch,
  precision: asked.products,
  software: asked.software.name,
  ...(asked.offload ? { offload: printOffload(asked.offload) } : {}),
  objective,
});

export interface ReadPlan {
  readonly asked: Asked;
  readonly objective: ObjectiveName;
  /** The best first; at least one. */
  readonly layouts: readonly { readonly scenario: TrainingScenario; readonly stepSeconds: number }[];
}

/** @throws PLAN_INVALID for what plan has not written; what predict throws for what it says was asked */
export function readPlan(lines: PlanLines): ReadPlan {
  const last = lines.count - 1;
  const { objective, precision, software, offload, ...given } = lines.read(lastLine, last).asked;
  const named = namedAgain(given, lines.path);
  const asked = checked({
    ...given,
    ...named,
    products: precision,
    software: askedSoftware(software, named.cluster),
    ...(offload === undefined ? {} : { offload: parseOffload(offload, lines.path) }),
  });
  const layouts = Array.from({ length: last }, (_, at) => {
    const { layout, microBatch, offload, stepSeconds } = lines.read(layoutLine, at);
    const given = offload === undefined ? {} : { offload: parseOffload(offload, lines.path) };
    return { scenario: askedScenario({ ...asked, ...given }, layout, microBatch), stepSeconds };
  });
  return { asked, objective, layouts };
}
