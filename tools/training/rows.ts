// Rows of the training tables, made ready to be timed again and again with other constants: what does not depend on them is done once.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseTable } from '../../src/plan/accuracy/table.ts';
import { trainingCase } from '../../src/plan/accuracy/training-row.ts';
import { fittedCosts } from '../../src/plan/cost/fitted-costs.ts';
import type { Architecture } from '../../src/plan/hardware/device.ts';
import { type Order, orderOf, playedSpan, workIndex } from '../../src/plan/search/played-span.ts';
import { summariseStages } from '../../src/plan/summary/stage-summary.ts';
import type { StageSummary, WorkKind } from '../../src/plan/summary/summary.ts';
import type { CostModel } from '../../src/plan/training/costs.ts';
import { predictTraining, stepSettings, timedStages } from '../../src/plan/training/predict-training.ts';
import { allSeconds } from '../../src/plan/training/run-seconds.ts';
import { type TrainingScenario, widthsOf } from '../../src/plan/training/scenario.ts';

export interface TimedRow {
  readonly table: string;
  readonly id: string;
  /** Rows of one model on one kind of device, all of which are fitted to or none. */
  readonly family: string;
  readonly architecture: Architecture;
  readonly measured: number;
  readonly secondsWith: (model: CostModel) => number;
}

/** Half of the families, by their names' hashes (FNV-1a): near-copies of a run are all on one side. */
export function isHeldOut({ family }: TimedRow): boolean {
  let hash = 0x811c9dc5;
  for (const letter of family) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193) >>> 0;
  return ((hash >>> 16) & 1) === 1;
}

/** Of all training tables of a folder. */
export function timedRows(folder: string): TimedRow[] {
  const configs = new Map<string, TrainingScenario['config']>();
  const alike = new Map<string, TimedRow['secondsWith']>();
  return readdirSync(folder)
    .filter((name) => name.endsWith('.csv'))
    .toSorted()
    .flatMap((file) => {
      const table = basename(file, '.csv');
      const { kind, rows } = parseTable(table, readFileSync(join(folder, file), 'utf8'));
      if (kind !== 'training') return [];
      process.stderr.write(`${table}\n`);
      return rows.flatMap((row, index): TimedRow[] => {
        const found = trainingCase(row);
        if (typeof found === 'string' || found.measured.stepSeconds === undefined) return [];
        const fits = found.scenarios.find((each) => {
          const { memory } = predictTraining(each, fittedCosts);
          return memory.total <= each.cluster.device.memoryBytes;
        });
        const scenario = fits ?? found.scenarios.at(-1)!;
        const shape = JSON.stringify(scenario.config);
        const config = configs.get(shape) ?? scenario.config;
        configs.set(shape, config);
        const key = JSON.stringify({ ...scenario, cluster: scenario.cluster.name });
        const secondsWith = alike.get(key) ?? timed({ ...scenario, config });
        alike.set(key, secondsWith);
        return [
          {
            table,
            id: row.id ?? `row ${index + 1}`,
            family: `${table} ${row.model} ${scenario.cluster.device.architecture} ${scenario.layout.tp}`,
            architecture: scenario.cluster.device.architecture,
            measured: found.measured.stepSeconds,
            secondsWith,
          },
        ];
      });
    });
}

const kinds = ['forward', 'backward', 'inputGradient', 'weightGradient'] as const satisfies readonly WorkKind[];

/** As predictTraining has it, played in numbers alone. */
function timed(scenario: TrainingScenario): TimedRow['secondsWith'] {
  const { layout, microbatches, formats, software } = scenario;
  const { schedule } = layout;
  if (schedule === 'file') throw new Error('rows name their schedules');
  if (schedule === 'dualpipe') return (model) => predictTraining(scenario, model).stepSeconds;
  const summaries = summariseStages(stepSettings(scenario), widthsOf(formats));
  const order = orderOf({ ...layout, schedule }, microbatches);
  const used = schedule === 'zb-h1' ? [kinds[0], kinds[2], kinds[3]] : [kinds[0], kinds[1]];
  return (model) => {
    const stages = timedStages(scenario, summaries, model);
    return (
      spanOf(order, summaries, stages, used, software.overlapsPipeline) +
      Math.max(...stages.map(({ data, optimizer }) => data.exposed + optimizer))
    );
  };
}

function spanOf(
  order: Order,
  summaries: readonly StageSummary[],
  stages: ReturnType<typeof timedStages>,
  used: readonly WorkKind[],
  overlaps: boolean,
): number {
  const { pp, places } = order;
  const last = places - 1;
  const works = new Float64Array(4 * places);
  const { send } = stages[0]!;
  const known = new Map<StageSummary, Map<string, number>>();
  for (let at = 0; at <= last; at++) {
    const stage = at % pp;
    const chunk = Math.floor(at / pp);
    const mine = known.get(summaries[stage]!) ?? new Map<string, number>();
    known.set(summaries[stage]!, mine);
    for (const kind of used) {
      const seconds = mine.get(`${kind}${chunk}`) ?? allSeconds(stages[stage]!.work({ kind, chunk }));
      mine.set(`${kind}${chunk}`, seconds);
      const sends = !overlaps && (kind === 'forward' ? at < last : kind !== 'weightGradient' && at > 0);
      works[workIndex(at, kind)] = seconds + (sends ? send : 0);
    }
  }
  return playedSpan(order, { works, transit: overlaps ? send : 0 });
}
