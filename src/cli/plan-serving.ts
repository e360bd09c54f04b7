// `fivefold plan --serve`: the best deployments of a cluster, or the fewest devices that a rate takes.
import { fewestDevices } from '../plan/deployments/fewest.ts';
import { type SearchingDeployments, searchDeployments } from '../plan/deployments/search.ts';
import { fittedServing } from '../plan/serving/predict-serving.ts';
import { formatCount, formatSeconds } from '../units.ts';
import type { AskedOption } from './asked.ts';
import { type CliIo, writeJson, writeLine } from './io.ts';
import { refuseNoDeployment, refuseRate } from './no-deployment.ts';
import type { OptionValues } from './options.ts';
import { checkPage } from './page.ts';
import { shownLayouts } from './plan-training.ts';
import { endedDeployments } from './searching.ts';
import { writeServingPage } from './serving-page.ts';
import { servingAskedJson } from './serving-plan-file.ts';
import { servingJson, showServing } from './serving-prediction.ts';
import { servingBecause, servingTable, showFront } from './serving-report.ts';
import { readServing, type ServingAsked, type ServingOption, servingObjectiveOf } from './serving-task.ts';
import { paint, wantsColour } from './ui/colour.ts';
import { columnsOf } from './ui/wrap.ts';

export async function planServing(
  values: OptionValues<AskedOption | ServingOption | 'top' | 'least' | 'report' | 'json'>,
  io: CliIo,
): Promise<void> {
  const asked = readServing(values);
  const { task } = asked;
  const { top = shownLayouts, rate } = values;
  const objective = servingObjectiveOf(values.least);
  if (values.report !== undefined) checkPage(values.report);
  const began = performance.now();
  const run = <R>(search: Generator<SearchingDeployments, R, void>) =>
    endedDeployments(search, io, values.json === true);
  const wanted = Math.max(2, top);
  const fewest =
    rate === undefined
      ? undefined
      : await run(fewestDevices(task, fittedServing, { requestsPerSecond: rate, top: wanted }));
  // The front, and what a cluster does that is too small, come out of the search that looks at all devices.
  const searched =
    fewest === undefined || fewest.length === 0
      ? await run(searchDeployments(task, fittedServing, { objective, top: wanted }))
      : undefined;
  const found = fewest?.length ? fewest : (searched?.found ?? []);
  if (searched && searched.found.length === 0) refuseNoDeployment(task, searched.points);
  if (rate !== undefined && fewest?.length === 0) refuseRate(task, rate, searched!.found[0]!);
  const seconds = (performance.now() - began) / 1000;
  const because = servingBecause(task, found, searched?.points);
  const shown = found.slice(0, top);
  if (values.report !== undefined)
    writeServingPage(values.report, { asked, rate, found: shown, because, points: searched?.points ?? [] });
  const counts = searched ? { judged: searched.judged, pruned: searched.pruned } : {};
  if (values.json) {
    for (const [at, each] of shown.entries()) writeJson(io.stdout, { rank: at + 1, ...servingJson(task, each) });
    const question = { objective, ...(rate === undefined ? {} : { requestsPerSecond: rate }) };
    writeJson(io.stdout, { done: true, ...counts, seconds, because, asked: servingAskedJson(asked, question) });
    return;
  }
  const style = { colour: wantsColour(io.stdout), columns: columnsOf(io.stdout) };
  const front =
    searched &&
    showFront('throughput against latency, of all deployments and loads those that none beats', searched.points, style);
  const lines = [
    paint(askedText(asked, rate), 'bold', style.colour),
    '',
    servingTable(task, shown, style),
    '',
    showServing(asked.model, task, shown[0]!, style),
    '',
    ...(front ? [front, ''] : []),
    because,
    ...(searched
      ? [
          `${formatCount(searched.judged)} deployments judged in ${formatSeconds(seconds)}; ${searched.judged - searched.pruned} of them predicted, the others bounded.`,
        ]
      : []),
  ];
  writeLine(io.stdout, lines.join('\n'));
}

function askedText({ model, task: { cluster, targets } }: ServingAsked, rate: number | undefined): string {
  const { secondsToFirstToken, secondsPerOutputToken } = targets;
  const within = `first token within ${formatSeconds(secondsToFirstToken)}, then one every ${formatSeconds(secondsPerOutputToken)}`;
  return rate === undefined
    ? `serving ${model} on ${cluster.name}; ${within}, on average`
    : `serving ${model}: the fewest of ${cluster.name} for ${rate} requests a second; ${within}, of nine requests in ten`;
}
