// How fast layouts are searched: Llama 3.1 405B on 16,384 H100, the whole space, the exact best, on one core. `npm run bench:plan -- 2000` says of how many
// layouts drawn at random each is predicted in full, to see that none is better.
import { findModel } from '../src/checkpoint/model-source.ts';
import { fittedCosts } from '../src/plan/cost/fitted-costs.ts';
import { parseCluster } from '../src/plan/hardware/cluster-name.ts';
import { boundsOf } from '../src/plan/search/bounds.ts';
import { easesOf, nothingGiven, settle } from '../src/plan/search/ease.ts';
import { bestLayouts } from '../src/plan/search/search.ts';
import { gridsOf, kindsOf, sharingsOf } from '../src/plan/search/space.ts';
import { leafScenario, type SearchTask } from '../src/plan/search/task.ts';
import { currentSoftware } from '../src/plan/software/software.ts';
import { fitsAll } from '../src/plan/training/fits.ts';
import { layoutName } from '../src/plan/training/offload.ts';
import { predictTraining } from '../src/plan/training/predict-training.ts';
import { mixedPrecision, type TrainingScenario } from '../src/plan/training/scenario.ts';
import { judge, marks, printVerdicts } from './marks.ts';

interface Case {
  readonly model: string;
  readonly cluster: string;
  readonly seqLen: number;
  readonly globalBatch: number;
}

const [largest, ...others]: readonly [Case, ...Case[]] = [
  { model: 'llama-3.1-405b', cluster: '16384xh100', seqLen: 8192, globalBatch: 2048 },
  { model: 'llama-3.1-70b', cluster: '512xh100', seqLen: 8192, globalBatch: 512 },
  { model: 'mixtral-8x7b', cluster: '256xh100', seqLen: 4096, globalBatch: 512 },
  { model: 'llama-3.1-8b', cluster: '8xh100', seqLen: 8192, globalBatch: 64 },
];

// A model that was looked at once is known, so that each is read anew.
const taskOf = ({ model, cluster, seqLen, globalBatch }: Case): SearchTask => ({
  config: findModel(model, undefined).config,
  cluster: parseCluster(cluster),
  seqLen,
  globalBatch,
  formats: mixedPrecision('bf16'),
  software: currentSoftware,
});

/** Seconds of the processor: what else the machine does meanwhile is no part of them. */
function searched(each: Case, when: string) {
  const task = taskOf(each);
  const before = process.cpuUsage();
  const { found, judged, predicted } = bestLayouts(task, fittedCosts, { objective: 'time', top: 1 });
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  const [best] = found;
  console.log(
    `${each.model} on ${each.cluster}, ${when}: ${seconds.toFixed(2)} s, ${judged} layouts, ${Math.round(judged / seconds)} a second, ${predicted} predicted; best ${best ? layoutName(best.scenario) : 'none'}`,
  );
  return { task, seconds, judged, best };
}

/** What is known of a task's layouts is forgotten after so many. */
const drawsOfTask = 100;

/** Of so many layouts drawn at random, every second of grids that split the model as the best does, those that fit and take less time. */
function betterThan({ best }: ReturnType<typeof searched>, draws: number): number {
  const { scenario, prediction: least } = best!;
  const { tp, cp, pp } = scenario.layout;
  const look = () => {
    const task = taskOf(largest);
    const all = gridsOf(task);
    const near = all.filter((grid) => grid.kind.tp === tp && grid.kind.cp === cp && grid.pp === pp);
    return { task, grids: [all, near] as const, bounds: boundsOf(task, fittedCosts, kindsOf(all), false) };
  };
  let seed = 1;
  const drawn = <T>(all: readonly T[]): T => {
    seed = (seed * 48271) % 2147483647;
    return all[seed % all.length]!;
  };
  let better = 0;
  let looked = look();
  for (let i = 1; i <= draws; i++) {
    if (i % drawsOfTask === 0) looked = look();
    const { task, grids, bounds } = looked;
    const grid = drawn(grids[i % 2 === 0 ? 0 : 1]);
    const cut = drawn(bounds.ofCuts({ ...grid, sharing: drawn(sharingsOf(grid)) }, Number.POSITIVE_INFINITY));
    const { leaf } = drawn(cut.rough());
    const isBetter = (scenario: TrainingScenario): boolean => {
      const prediction = predictTraining(scenario, fittedCosts);
      if (prediction.stepSeconds >= least.stepSeconds) return false;
      if (fitsAll(scenario, prediction)) return true;
      // With something given up for room.
      const ease = drawn(easesOf(task, leaf));
      const eased = settle(task, { ...leaf, ease }, nothingGiven);
      if (!eased) return false;
      const less = predictTraining(eased, fittedCosts);
      return less.stepSeconds < best!.value && fitsAll(eased, less);
    };
    if (isBetter(leafScenario(task, leaf))) better += 1;
    if (i % 100 === 0) console.log(`${i} of ${draws} layouts drawn at random predicted, ${better} better`);
  }
  return better;
}

const first = searched(largest, 'first of all');
searched(largest, 'its code compiled');
for (const each of others) searched(each, 'its code compiled');
const better = betterThan(first, Number(process.argv[2] ?? 2000));
const figures = {
  'seconds of the processor, a process just begun': first.seconds,
  'layouts judged a second': first.judged / first.seconds,
  'layouts of a random sample that are better than the best': better,
};
printVerdicts(judge(marks.plan, (name) => figures[name]));
