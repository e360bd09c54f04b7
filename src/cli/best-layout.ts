// `--layout auto` of a prediction: the layout that plan would find, of training or of serving.
import { fittedCosts } from '../plan/cost/fitted-costs.ts';
import { searchDeployments } from '../plan/deployments/search.ts';
import type { ServingTask } from '../plan/deployments/task.ts';
import { searchLayouts } from '../plan/search/search.ts';
import type { SearchTask } from '../plan/search/task.ts';
import { fittedServing } from '../plan/serving/predict-serving.ts';
import type { Deployment } from '../plan/serving/scenario.ts';
import type { TrainingScenario } from '../plan/training/scenario.ts';
import type { CliIo } from './io.ts';
import { refuseNoDeployment } from './no-deployment.ts';
import { refuseNothingFits } from './nothing-fits.ts';
import { ended, endedDeployments } from './searching.ts';

/** The fastest. @throws OPTION_INVALID where none fits */
export async function bestScenario(task: SearchTask, io: CliIo, quiet: boolean): Promise<TrainingScenario> {
  const search = searchLayouts(task, fittedCosts, { objective: 'time', top: 1 });
  const { found } = await ended(search, io, quiet);
  return found[0]?.scenario ?? refuseNothingFits(task, fittedCosts);
}

/** Of the most tokens a second. @throws OPTION_INVALID where none keeps the targets */
export async function bestDeployment(task: ServingTask, io: CliIo, quiet: boolean): Promise<Deployment> {
  const search = searchDeployments(task, fittedServing, { objective: 'throughput', top: 1 });
  const { found, points } = await endedDeployments(search, io, quiet);
  return found[0]?.deployment ?? refuseNoDeployment(task, points);
}
