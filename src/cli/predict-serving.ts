// `fivefold predict --serve`: one deployment under one load.

import { option } from '../errors.ts';
import { parseDeployment } from '../plan/deployments/deployment-text.ts';
import { loadLimit } from '../plan/deployments/explain.ts';
import { deployer } from '../plan/deployments/instances.ts';
import { loadOf } from '../plan/deployments/loads.ts';
import { playRate } from '../plan/deployments/play-rate.ts';
import type { Loaded, ServingTask } from '../plan/deployments/task.ts';
import { fittedServing, predictServing } from '../plan/serving/predict-serving.ts';
import type { Deployment } from '../plan/serving/scenario.ts';
import { refuse } from '../train/refuse.ts';
import type { AskedOption } from './asked.ts';
import { bestDeployment } from './best-layout.ts';
import { type CliIo, writeJson, writeLine } from './io.ts';
import type { OptionValues } from './options.ts';
import { checkPage } from './page.ts';
import { writeServingPage } from './serving-page.ts';
import { servingJson, showServing } from './serving-prediction.ts';
import { loadLimits, showFront } from './serving-report.ts';
import { readServing, type ServingOption } from './serving-task.ts';
import { wantsColour } from './ui/colour.ts';
import { columnsOf } from './ui/wrap.ts';

export async function predictServed(
  values: OptionValues<AskedOption | ServingOption | 'layout' | 'report' | 'json'>,
  io: CliIo,
): Promise<void> {
  const asked = readServing(values);
  const { model, task } = asked;
  const { report, rate } = values;
  if (report !== undefined) checkPage(report);
  const { layout = 'auto' } = values as { readonly layout?: string };
  const deployment =
    layout === 'auto'
      ? await bestDeployment(task, io, values.json === true)
      : parseDeployment(layout, task.model, task.cluster.devices);
  const points = tryLoads(task, deployment);
  const loaded = loadedAs(task, deployment, rate) ?? points.loaded;
  if (report !== undefined) writeServingPage(report, { asked, rate, found: [loaded], points: points.all });
  if (values.json) {
    writeJson(io.stdout, servingJson(task, loaded));
    return;
  }
  const style = { colour: wantsColour(io.stdout), columns: columnsOf(io.stdout) };
  writeLine(io.stdout, showServing(model, task, loaded, style));
  if (!loaded.prediction.fits) return;
  const limit = loaded === points.loaded ? loadLimit(loaded, points.all, task.targets) : undefined;
  if (limit) writeLine(io.stdout, `\nwith ${loaded.concurrency} requests under way, ${loadLimits[limit]}`);
  const front = showFront('throughput against latency, as more requests are under way', points.all, style);
  if (front) writeLine(io.stdout, `\n${front}`);
}

/** Requests under way of one instance that are played within seconds. */
const mostPlayed = 4096;

/** Under the load that is asked for; undefined: none is. */
function loadedAs(task: ServingTask, deployment: Deployment, rate: number | undefined): Loaded | undefined {
  if (rate !== undefined) {
    const prediction = playRate(task, fittedServing, deployer(task, fittedServing), {
      deployment,
      requestsPerSecond: rate,
    });
    const { requestsPerSecond, secondsOfRequest } = prediction;
    return { deployment, prediction, concurrency: prediction.fits ? requestsPerSecond * secondsOfRequest.mean : 0 };
  }
  const { concurrency } = task;
  if (concurrency === undefined) return undefined;
  const { instances } = deployment.kind === 'aggregated' ? deployment.pool : deployment.decode;
  if (concurrency > mostPlayed * instances)
    refuse(
      'concurrency',
      `${concurrency} requests are more than ${mostPlayed} an instance, which would be played one by one`,
      `use ${option('concurrency')} ${mostPlayed * instances} or less`,
    );
  const prediction = predictServing({ ...task, deployment, load: { kind: 'closed', concurrency } });
  return { deployment, concurrency, prediction };
}

/** With as many requests as the targets allow, or one an instance, which miss them. */
function tryLoads(
  { concurrency: _, ...task }: ServingTask,
  deployment: Deployment,
): { readonly loaded: Loaded; readonly all: readonly Loaded[] } {
  const deployed = deployer(task, fittedServing)(deployment);
  if (deployed.writers.instance.room === 0 || deployed.readers?.instance.room === 0) {
    const prediction = predictServing({ ...task, deployment, load: { kind: 'saturated' } });
    return { loaded: { deployment, concurrency: 0, prediction }, all: [] };
  }
  const { best, points } = loadOf(task, 'throughput', deployment, deployed);
  return { loaded: best ?? points[0]!, all: points };
}
