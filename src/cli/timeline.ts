// A pipeline's timeline with predicted seconds, as much of it as fits a terminal.
import type { TrainingPrediction, TrainingScenario } from '../plan/training/scenario.ts';
import { clip } from '../schedule/clip.ts';
import { draw } from '../schedule/draw.ts';
import type { Played } from '../schedule/play.ts';
import { isMessage } from '../schedule/schedule.ts';
import { formatSeconds } from '../units.ts';

const mostStages = 16;
const mostColumns = 120;
/** Beside the names of stages. */
const nameColumns = 11;

export function showTimeline(
  { layout, microbatches }: TrainingScenario,
  { stepSeconds }: TrainingPrediction,
  played: Played,
  { colour, columns }: { readonly colour: boolean; readonly columns: number },
): string {
  const width = Math.min(columns, mostColumns);
  const part = clip(played, { stages: mostStages, seconds: Math.max(1, width - nameColumns) * shortestWork(played) });
  const shown = [
    ...(layout.pp > mostStages ? [`the first ${mostStages} of ${layout.pp} stages`] : []),
    ...(part.makespan < played.makespan
      ? [`the first ${formatSeconds(part.makespan)} of ${formatSeconds(played.makespan)}`]
      : []),
  ].join(', ');
  const after = stepSeconds - played.makespan;
  return [
    `the pipeline's ${microbatches} microbatches${shown ? ` (${shown})` : `, ${formatSeconds(played.makespan)}`}; ${formatSeconds(after)} for gradients and the optimizer come after`,
    draw(part, { width, colour }),
  ].join('\n');
}

/** A column for the shortest is the least in which all works are seen. */
const shortestWork = ({ spans }: Played): number =>
  spans.reduce(
    (least, { action, start, end }) => (isMessage(action) || end === start ? least : Math.min(least, end - start)),
    Number.POSITIVE_INFINITY,
  );
