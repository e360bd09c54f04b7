// `fivefold plan --train --tokens --deadline`: the part of the cluster that is enough, and what the whole training takes.
import { option } from '../errors.ts';
import { fittedCosts } from '../plan/cost/fitted-costs.ts';
import { type FewestDevices, fewestForDeadline, type TriedSize } from '../plan/needs/fewest-for-deadline.ts';
import { type WholeTraining, wholeTraining } from '../plan/needs/whole-training.ts';
import { type Found, searchLayouts } from '../plan/search/search.ts';
import type { SearchTask } from '../plan/search/task.ts';
import { shortLayout } from '../report/short-layout.ts';
import { refuse } from '../train/refuse.ts';
import { formatCount, formatSeconds } from '../units.ts';
import { type Asked, taskOf } from './asked.ts';
import type { CliIo } from './io.ts';
import { refuseNothingFits } from './nothing-fits.ts';
import { ended, endedAs } from './searching.ts';
import { formatTable } from './ui/table.ts';

export interface Enough {
  readonly asked: Asked;
  readonly tried: readonly TriedSize[];
}

/** `asked` on the fewest devices of its cluster that are in time. @throws OPTION_INVALID where all of them are not */
export async function enoughFor(
  asked: Asked,
  { tokens, deadline }: { readonly tokens: number; readonly deadline: number },
  io: CliIo,
  quiet: boolean,
): Promise<Enough> {
  if (asked.cluster.others)
    refuse(
      'deadline',
      `${asked.cluster.name} has devices of several kinds, and which of them are left out is not known`,
      `leave it out, or describe a cluster of those that may be used`,
    );
  const whole = taskOf(asked, asked.globalBatch ?? asked.cluster.devices);
  const search = fewestForDeadline(whole, fittedCosts, { tokens, seconds: deadline });
  const found: FewestDevices = await endedAs(search, io, quiet, ({ devices }) => `searching: ${devices} devices`);
  if (!found.task) return refuseDeadline(whole, { tokens, deadline }, io, quiet);
  const { cluster, globalBatch } = found.task;
  const { clusterSource } = asked;
  const part = cluster.devices === asked.cluster.devices ? {} : { devices: cluster.devices };
  return {
    asked: { ...asked, cluster, clusterSource: { ...clusterSource, ...part }, globalBatch },
    tried: found.tried,
  };
}

async function refuseDeadline(
  task: SearchTask,
  { tokens, deadline }: { readonly tokens: number; readonly deadline: number },
  io: CliIo,
  quiet: boolean,
): Promise<never> {
  const { found } = await ended(searchLayouts(task, fittedCosts, { objective: 'time', top: 1 }), io, quiet);
  const [best] = found;
  if (!best) return refuseNothingFits(task, fittedCosts);
  const { seconds, devices } = wholeTraining(best.scenario, best.prediction, tokens);
  const days = Math.ceil((10 * seconds) / 86_400) / 10;
  return refuse(
    'deadline',
    `all of ${task.cluster.name} is too little: ${shortLayout(best)} takes ${formatSeconds(seconds)} for ${formatCount(tokens)} tokens, not ${formatSeconds(deadline)}`,
    `use ${option('deadline')} ${days}d, about ${Math.ceil((1.05 * devices * seconds) / deadline)} devices and a batch for them, or fewer ${option('tokens')}`,
  );
}

/** What all tokens take on the best layout, for people. */
export function showWhole({ scenario, prediction }: Found, tokens: number): string {
  const { seconds, devices, deviceHours, dollars, joules, steps }: WholeTraining = wholeTraining(
    scenario,
    prediction,
    tokens,
  );
  const money = dollars === undefined ? '' : `, $${formatCount(dollars)}`;
  const energy = joules === undefined ? '' : `, ${formatCount(joules / 3.6e6)} kWh`;
  return `${formatCount(tokens)} tokens in ${formatSeconds(seconds)} on ${devices} devices: ${formatCount(steps)} steps, ${formatCount(deviceHours)} device-hours${money}${energy}`;
}

const took = ({ what, seconds }: TriedSize): string => {
  if (what === 'no layout') return 'no layout divides and fits';
  return what === 'takes' ? formatSeconds(seconds) : `more than ${formatSeconds(seconds)}`;
};

/** The numbers of devices that were too few, and the one that is enough. */
export const showTried = (tried: readonly TriedSize[], colour: boolean): string =>
  formatTable({
    head: ['devices', 'time of all tokens'],
    rows: tried.slice(-mostShown).map((each) => [each.devices, took(each)]),
    align: ['right', 'left'],
    colour,
  });

/** Those far too few are of no interest. */
const mostShown = 6;
