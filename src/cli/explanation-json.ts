// An explanation as the JSON contract has it.
import { printLayout } from '../mesh/layout.ts';
import type { Alternative } from '../plan/explain/alternatives.ts';
import type { Explanation } from '../plan/explain/explain.ts';
import type { Answer } from '../plan/explain/what-if.ts';
import type { TrainingScenario } from '../plan/training/scenario.ts';
import { predictionJson } from './prediction.ts';

const nameOf = ({ layout, microBatch }: TrainingScenario) => ({ layout: printLayout(layout), microBatch });

export const explanationJson = ({ scenario, prediction, shortage, rival, ...explanation }: Explanation) => ({
  ...nameOf(scenario),
  ...predictionJson(scenario, prediction),
  ...shortage,
  ...(rival
    ? {
        rival: {
          ...nameOf(rival.scenario),
          ...predictionJson(rival.scenario, rival.prediction),
          slower: rival.slower,
          differences: rival.differences,
        },
      }
    : {}),
  alternatives: explanation.alternatives.map(alternativeJson),
  answers: explanation.answers.map(answerJson),
  shapes: explanation.shapes,
  rules: explanation.rules,
});

function alternativeJson(alternative: Alternative) {
  if ('problem' in alternative) return alternative;
  const { changed, judged, missingBytes, slower, differences } = alternative;
  const { stepSeconds, memory } = judged.prediction;
  return {
    changed,
    ...nameOf(judged.scenario),
    stepSeconds,
    slower,
    memoryBytes: memory.total,
    fits: missingBytes === 0,
    differences,
  };
}

const answerJson = ({ change, best, now, stays }: Answer) => ({
  change: change.name,
  stays,
  best: best ? { ...nameOf(best.scenario), stepSeconds: best.prediction.stepSeconds } : null,
  stepSeconds: now?.prediction.stepSeconds ?? null,
});
