// Nothing better is ever dropped: every layout of random models and clusters is predicted, and none is better than what the search finds.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyPlannerCase, type PlannerCase, plannerCaseName } from '../../../test/planner-cases.ts';
import { printLayout } from '../../mesh/layout.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { fitsAll } from '../training/fits.ts';
import { predictTraining } from '../training/predict-training.ts';
import { boundsOf } from './bounds.ts';
import { easesOf, nothingGiven, settle } from './ease.ts';
import { figuresOf, type ObjectiveName, objectiveValue, type StepFigures } from './objective.ts';
import { bestLayouts } from './search.ts';
import { gridsOf, kindsOf, sharingsOf } from './space.ts';
import { type Leaf, leafScenario, type SearchTask } from './task.ts';

/** Sums are taken in different orders. */
const rounding = 1 + 1e-9;

interface Judged {
  readonly layout: string;
  readonly exact: StepFigures;
  /** Of what fits: itself, or what it is with something given up. */
  readonly values: readonly number[];
  /** Its bounds, from the coarsest to the finest. */
  readonly bounds: readonly StepFigures[];
}

/** Of a leaf that fits, or else of all that it may give up so that it does. */
function valuesOf(task: SearchTask, leaf: Leaf, objective: ObjectiveName, mayGive: boolean): number[] {
  const scenario = settle(task, leaf, nothingGiven);
  if (!scenario) return [];
  const prediction = predictTraining(scenario, fittedCosts);
  if (fitsAll(scenario, prediction)) return [objectiveValue(objective, task.cluster, figuresOf(prediction))];
  if (!mayGive) return [];
  return easesOf(task, leaf).flatMap((ease) => valuesOf(task, { ...leaf, ease }, objective, mayGive));
}

function judgeAll({ task, objective }: PlannerCase, mayGive: boolean): Judged[] {
  const grids = gridsOf(task);
  const bounds = boundsOf(task, fittedCosts, kindsOf(grids), false);
  return grids.flatMap((grid) =>
    sharingsOf(grid).flatMap((sharing) => {
      const shared = { ...grid, sharing };
      const all = Number.POSITIVE_INFINITY;
      const coarse = [
        bounds.ofKind(grid),
        bounds.ofKernels(grid, all)!,
        bounds.ofGrid(grid, all)!,
        bounds.ofShared(shared, all)!,
      ];
      const cuts = bounds.ofCuts(shared, all);
      const rough = cuts.flatMap(({ least, rough }) => rough().map((leaf) => [least, leaf.least]));
      const leaves = cuts.flatMap((cut) => cut.leaves());
      expect(leaves).toHaveLength(bounds.countLeaves(grid, sharing));
      return leaves.map((bounded, at): Judged => {
        const scenario = leafScenario(task, bounded.leaf);
        const prediction = predictTraining(scenario, fittedCosts);
        return {
          layout: `${printLayout(scenario.layout)} of microbatches of ${scenario.microBatch}`,
          exact: figuresOf(prediction),
          values: valuesOf(task, bounded.leaf, objective, mayGive),
          bounds: [...coarse, ...rough[at]!, bounded.least, bounds.ofPlayed(bounded, all)!.least],
        };
      });
    }),
  );
}

test('no layout is better than those found, and none is below its bounds', { timeout: 600_000 }, () => {
  let [layouts, pruned] = [0, 0];
  fc.assert(
    fc.property(anyPlannerCase, (each) => {
      const { task, objective } = each;
      // Of the least memory nothing is given up as long as one fits without.
      const whole = judgeAll(each, objective !== 'memory');
      const all = whole.some(({ values }) => values.length > 0) ? whole : judgeAll(each, true);
      for (const { layout, exact, bounds } of all)
        for (const [level, least] of bounds.entries())
          for (const of of ['stepSeconds', 'computeSeconds', 'memoryBytes'] as const)
            if (!(least[of] <= exact[of] * rounding))
              throw new Error(
                `${layout}: ${of} is ${exact[of]}, its bound ${level} ${least[of]}; ${plannerCaseName(each)}`,
              );
      const values = all.flatMap((judged) => judged.values).sort((a, b) => a - b);
      const result = bestLayouts(task, fittedCosts, { objective, top: 3 });
      expect(result.judged, plannerCaseName(each)).toBe(all.length);
      expect(
        result.found.map(({ value }) => value),
        plannerCaseName(each),
      ).toEqual(values.slice(0, 3));
      layouts += result.judged;
      pruned += result.pruned;
    }),
    { numRuns: 12 },
  );
  // The property is about something: most is pruned.
  expect(pruned).toBeGreaterThan(layouts / 2);
});
