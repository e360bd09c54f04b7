// What plan --json writes, read back: the layouts it found, and what was asked, so that the file stands alone.
import { z } from 'zod';
import { findModel } from '../checkpoint/model-source.ts';
import { fail } from '../errors.ts';
import { readWhole } from '../files/regular-file.ts';
import { parseModelConfig } from '../model/families.ts';
import { findPreset } from '../model/presets.ts';
import { formatBytes, type NumberFormat } from '../plan/hardware/number-format.ts';
import { type ObjectiveName, objectiveNames } from '../plan/search/objective.ts';
import type { SearchTask } from '../plan/search/task.ts';
import { parseOffload, printOffload } from '../plan/training/offload.ts';
import type { TrainingScenario } from '../plan/training/scenario.ts';
import { type Asked, checked } from './asked.ts';
import { askedScenario } from './asked-layout.ts';
import { clusterOf } from './find-cluster.ts';

const count = z.number().int().positive();

const askedFields = z.object({
  model: z.string().min(1),
  set: z.array(z.string()),
  /** Of a model without a name of its own. */
  config: z.record(z.string(), z.unknown()).optional(),
  cluster: z.union([
    z.object({ name: z.string(), devices: count.optional() }),
    z.object({ file: z.record(z.string(), z.unknown()), devices: count.optional() }),
  ]),
  seqLen: count,
  globalBatch: count,
  precision: z.enum(Object.keys(formatBytes) as NumberFormat[]),
  offload: z.string().optional(),
  objective: z.enum(objectiveNames),
});

const layoutLine = z.object({ rank: count, layout: z.string(), microBatch: count, stepSeconds: z.number().positive() });
const lastLine = z.object({ done: z.literal(true), asked: askedFields });

/** The `asked` of a plan's last line. */
export const askedJson = (
  asked: Asked,
  { globalBatch }: Pick<SearchTask, 'globalBatch'>,
  objective: ObjectiveName,
) => ({
  model: asked.model,
  set: asked.set,
  ...(findPreset(asked.model) ? {} : { config: asked.config.source }),
  cluster: asked.clusterSource,
  seqLen: asked.seqLen,
  globalBatch,
  precision: asked.products,
  ...(asked.offload && printOffload(asked.offload) ? { offload: printOffload(asked.offload) } : {}),
  objective,
});

export interface ReadPlan {
  readonly asked: Asked;
  readonly objective: ObjectiveName;
  /** The best first; at least one. */
  readonly layouts: readonly { readonly scenario: TrainingScenario; readonly stepSeconds: number }[];
}

/** More than any plan. */
const maxPlanBytes = 2 ** 24;

/** @throws PLAN_INVALID for what plan has not written; what predict throws for what it says was asked */
export function readPlan(path: string): ReadPlan {
  const invalid = (problem: string, fix = 'give what fivefold plan --json has written, all of it'): never =>
    fail('PLAN_INVALID', { path, problem, fix });
  const bytes = readWhole(path, maxPlanBytes, ({ problem, fix }) => invalid(problem, fix));
  const lines = bytes.toString('utf8').split(/\r?\n/);
  while (lines.at(-1) === '') lines.pop();
  if (lines.length < 2) invalid('it has fewer than the two lines of the shortest plan');
  const read = <T>(schema: z.ZodType<T>, at: number): T => {
    const result = schema.safeParse(jsonOf(lines[at]!));
    if (result.success) return result.data;
    const { path: keys, message } = result.error.issues[0]!;
    return invalid(
      `line ${at + 1} is none of a plan of training${keys.length > 0 ? ` (${keys.join('.')}: ${message})` : ''}`,
    );
  };
  const { objective, ...given } = read(lastLine, lines.length - 1).asked;
  const asked = askedAgain(given, path);
  const layouts = lines.slice(0, -1).map((_, at) => {
    const { layout, microBatch, stepSeconds } = read(layoutLine, at);
    return { scenario: askedScenario(asked, layout, microBatch), stepSeconds };
  });
  return { asked, objective, layouts };
}

function askedAgain(
  { config, cluster: clusterSource, precision, offload, ...given }: Omit<z.infer<typeof askedFields>, 'objective'>,
  path: string,
): Asked {
  const { model, set } = given;
  return checked({
    ...given,
    config: config ? parseModelConfig(config, `${path}: ${model}`) : findModel(model, set).config,
    clusterSource,
    cluster: clusterOf(clusterSource, path),
    products: precision,
    ...(offload === undefined ? {} : { offload: parseOffload(offload, path) }),
  });
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
