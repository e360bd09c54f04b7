// What the ranks of a pipeline stage do and hold in a step of training on tokens, from summaries of its parts.
import { coordsOf } from '../../mesh/mesh.ts';
import { layerLike } from '../../model/config.ts';
import type { Part } from '../../model/params.ts';
import { residualShape } from '../../model/parts.ts';
import { chunkParts } from '../../model/stages.ts';
import { elements } from '../../program/program.ts';
import { type StepSettings, traceSettings } from '../../step/settings.ts';
import { onceSummary } from './once-summary.ts';
import { chunkSummary, partSummary } from './part-summary.ts';
import type { CountedPart, StageSummary, Widths } from './summary.ts';

/**
 * Of the first rank of stage `pp`, which stands for all of it: over cp ranks hold other tokens, which see more or fewer others. Replicas
 * that take steps of their own (`outer`) are no part of it.
 */
export function summariseStage(settings: StepSettings, pp: number, widths: Widths): StageSummary {
  const { config, layout } = settings;
  const alike = new Map<string, { readonly part: Part; count: number }>();
  const chunks = Array.from({ length: layout.virtual }, (_, chunk) => {
    const runs: CountedPart[] = [];
    for (const part of chunkParts(config, layout, pp, chunk)) {
      add(runs, partSummary(part, settings, widths));
      const layer = part.name === 'block' ? layerLike(config, part.layer) : part.layer;
      const first = alike.get(`${part.name} ${layer}`);
      if (first) first.count += 1;
      else alike.set(`${part.name} ${layer}`, { part: { ...part, layer }, count: 1 });
    }
    return chunkSummary(config, runs);
  });
  const trace = traceSettings(settings, coordsOf(layout, 0));
  return {
    chunks,
    ...onceSummary([...alike.values()], settings, pp, widths),
    sendBytes: elements(residualShape(trace)) * widths.activations,
  };
}

function add(runs: { part: CountedPart['part']; count: number }[], part: CountedPart['part']): void {
  const last = runs.at(-1);
  if (last?.part === part) last.count += 1;
  else runs.push({ part, count: 1 });
}
