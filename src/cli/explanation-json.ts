// An explanation as the JSON contract has it.
import type { Alternative } from '../plan/explain/alternatives.ts';
import type { Explanation } from '../plan/explain/explain.ts';
import type { Answer } from '../plan/explain/what-if.ts';
import { layoutJson, predictionJson } from './prediction.ts';

export const explanationJson = ({ scenario, prediction, shortage, isBest, rival, ...explanation }: Explanation) => ({
  ...layoutJson(scenario),
  ...predictionJson(scenario, prediction),
  ...shortage,
  isBest,
  ...(rival
    ? {
        rival: {
          ...layoutJson(rival.scenario),
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
    ...layoutJson(judged.scenario),
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
  best: best ? { ...layoutJson(best.scenario), stepSeconds: best.prediction.stepSeconds } : null,
  stepSeconds: now?.prediction.stepSeconds ?? null,
});
