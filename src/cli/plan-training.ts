// `fivefold plan --train`: the best layouts of a cluster, or of the part of it that is in time.
import { option } from '../errors.ts';
import { fittedCosts } from '../plan/cost/fitted-costs.ts';
import { becauseOf } from '../plan/explain/because.ts';
import { withoutHosts } from '../plan/explain/without-hosts.ts';
import { kindsOf } from '../plan/hardware/kinds.ts';
import { wholeTraining } from '../plan/needs/whole-training.ts';
import { searchFront } from '../plan/search/front.ts';
import { type ObjectiveName, tokenCosts } from '../plan/search/objective.ts';
import { type Found, type SearchResult, searchLayouts } from '../plan/search/search.ts';
import type { SearchTask } from '../plan/search/task.ts';
import { layoutName } from '../plan/training/offload.ts';
import type { Considered } from '../report/front.ts';
import { shortLayout } from '../report/short-layout.ts';
import { refuse } from '../train/refuse.ts';
import { type Asked, type AskedOption, objectiveOf, readAsked, taskOf } from './asked.ts';
import { type Enough, enoughFor, showTried, showWhole } from './deadline.ts';
import { foundJson } from './found-json.ts';
import { type CliIo, writeJson, writeLine } from './io.ts';
import { refuseNothingFits } from './nothing-fits.ts';
import type { OptionValues } from './options.ts';
import { askedOf, checkPage, writePage } from './page.ts';
import { askedJson } from './plan-file.ts';
import { showPlan } from './plan-report.ts';
import { ended, endedFront } from './searching.ts';
import { showTrainingFront } from './training-front.ts';
import { wantsColour } from './ui/colour.ts';
import { columnsOf } from './ui/wrap.ts';

type TrainingValues = OptionValues<
  AskedOption | 'train' | 'offload' | 'tokens' | 'deadline' | 'top' | 'least' | 'report' | 'json'
>;

/** Layouts shown unless it is said otherwise. */
export const shownLayouts = 5;

/** What was asked, and what came of it. */
interface Planned {
  readonly asked: Asked;
  readonly task: SearchTask;
  readonly enough?: Enough;
  readonly objective: ObjectiveName;
  readonly result: SearchResult;
  /** Time against memory, where a page is written. */
  readonly front: readonly Found[];
  readonly because: string;
  readonly seconds: number;
}

export async function planTraining(values: TrainingValues, io: CliIo): Promise<void> {
  if (!values.train) refuse('train', 'what to plan is missing', `add ${option('train')} or ${option('serve')}`);
  if (values.report !== undefined) checkPage(values.report);
  const quiet = values.json === true;
  const { asked, ...enough } = await partOf(values, io);
  const task = taskOf(asked, asked.globalBatch ?? asked.cluster.devices);
  const { top = shownLayouts } = values;
  const objective = objectiveOf(values.least);
  const unknown = kindsOf(asked.cluster).find(({ watts }) => watts === undefined);
  if (objective === 'energy' && unknown)
    refuse('least', `what ${unknown.title} takes was not measured`, `use ${option('least')} time`);
  const began = performance.now();
  // The runner-up is looked for in any case: it is what the best is explained by.
  const result = await ended(searchLayouts(task, fittedCosts, { objective, top: Math.max(2, top) }), io, quiet);
  const seconds = (performance.now() - began) / 1000;
  const [best] = result.found;
  if (!best) return refuseNothingFits(task, fittedCosts);
  const without = await ended(withoutHosts(task, best, objective, fittedCosts), io, quiet);
  const because = `${becauseOf(result.found, objective, fittedCosts)} ${without}`.trim();
  // It takes several searches more.
  const fastest = objective === 'time' ? [best] : [];
  const front = values.report === undefined ? [] : await endedFront(searchFront(task, fittedCosts, fastest), io, quiet);
  const shown = { ...result, found: result.found.slice(0, top) };
  const planned = { asked, task, ...enough, objective, result: shown, front, because, seconds };
  if (values.report !== undefined) writePlanPage(values.report, planned, result.found);
  if (quiet) writePlanJson(planned, values.tokens, io);
  else writePlan(planned, values.tokens, io);
}

/** What is asked, of as many devices as are in time where there is a deadline. */
async function partOf(values: TrainingValues, io: CliIo): Promise<{ asked: Asked; enough?: Enough }> {
  const { tokens, deadline } = values;
  const asked = readAsked(values);
  if (deadline === undefined) return { asked };
  if (tokens === undefined)
    return refuse(
      'deadline',
      'of how many tokens is missing',
      `add ${option('tokens')}, such as ${option('tokens')} 15T`,
    );
  const enough = await enoughFor(asked, { tokens, deadline }, io, values.json === true);
  return { asked: enough.asked, enough };
}

function writePlanPage(path: string, planned: Planned, found: readonly Found[]): void {
  const { asked, task, objective, result, front, because } = planned;
  const report = {
    title: `${asked.model} on ${task.cluster.name}`,
    asked: [
      ...askedOf(asked, found[0]!.scenario),
      ['judged', `${result.judged} layouts, for the least ${objective}`] as const,
    ],
    layouts: result.found.map((each) => ({ ...each, ...tokenCosts(each.scenario, each.prediction) })),
    because,
    considered: consideredOf([...front, ...found]),
  };
  writePage(path, report, fittedCosts);
}

function writePlan(
  { asked, task, enough, result, front, because, seconds }: Planned,
  tokens: number | undefined,
  io: CliIo,
): void {
  const style = { colour: wantsColour(io.stdout), columns: columnsOf(io.stdout) };
  if (enough) writeLine(io.stdout, `${showTried(enough.tried, style.colour)}\n`);
  writeLine(io.stdout, showPlan(task, result, because, { asked, seconds, ...style }));
  const picture = showTrainingFront(front, style);
  if (picture) writeLine(io.stdout, `\n${picture}`);
  if (tokens !== undefined) writeLine(io.stdout, `\n${showWhole(result.found[0]!, tokens)}`);
}

function writePlanJson(
  { asked, task, objective, result, because, seconds }: Planned,
  tokens: number | undefined,
  io: CliIo,
): void {
  const { found, judged, pruned } = result;
  const [best] = found as [Found];
  for (const [at, each] of found.entries()) writeJson(io.stdout, { rank: at + 1, ...foundJson(each) });
  const training = tokens === undefined ? {} : { training: wholeTraining(best.scenario, best.prediction, tokens) };
  writeJson(io.stdout, {
    done: true,
    judged,
    pruned,
    seconds,
    because,
    ...training,
    asked: askedJson(asked, task, objective),
  });
}

/** Layouts by name, each once. */
function consideredOf(found: readonly Found[]): Considered[] {
  const all = found.map(({ scenario, prediction }): [string, Considered] => {
    const { stepSeconds, memory } = prediction;
    const name = `${layoutName(scenario)} ${scenario.microBatch}`;
    return [name, { layout: shortLayout({ scenario }), stepSeconds, memoryBytes: memory.total }];
  });
  return [...new Map(all).values()];
}
