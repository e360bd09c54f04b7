// What the ranks of a pipeline stage do and hold in a step of training on tokens, from summaries of its parts.
import { chunksOf, placeOf, virtualLayers, withCopies } from '../../mesh/layout.ts';
import { coordsOf } from '../../mesh/mesh.ts';
import { recomputeOf } from '../../mesh/recompute.ts';
import { hasAlikeLayers, layerLike } from '../../model/config.ts';
import type { PartName } from '../../model/params.ts';
import { residualShape } from '../../model/parts.ts';
import { elements } from '../../program/program.ts';
import type { AlikeParts } from '../../state/buckets.ts';
import { once } from '../../step/once.ts';
import { type StepSettings, traceSettings } from '../../step/settings.ts';
import { onceSummaries, tokenBytes } from './once-summary.ts';
import { summariesFor } from './part-summary.ts';
import type { StageSummary, Widths } from './summary.ts';

/** Of stage `pp`: see {@link summariseStages}. */
export const summariseStage = (settings: StepSettings, pp: number, widths: Widths): StageSummary =>
  summariseStages(settings, widths, [pp])[0]!;

/**
 * Of the first rank of every stage (or of `some`), which stands for all of it: over cp ranks hold other tokens, which see more or fewer
 * others. Replicas that take steps of their own (`outer`) are no part of it. Stages that are alike have the same summary.
 */
export function summariseStages(given: StepSettings, widths: Widths, some?: readonly number[]): StageSummary[] {
  const settings = { ...given, layout: withCopies(given.layout) };
  const { config, layout } = settings;
  const { pp, recompute } = layout;
  const layers = virtualLayers(layout, config.layers);
  const summaries = summariesFor(settings, widths);
  const onceOf = onceSummaries(settings, widths);
  const tokensOf = tokenBytes(settings, widths);
  const sendBytes = elements(residualShape(traceSettings(settings, coordsOf(layout, 0)))) * widths.activations;
  const alike = hasAlikeLayers(config) && recompute.layers === undefined;

  /** Stretches of layers that are built alike and keep alike. */
  const stretches = ([first, end]: readonly [number, number]): Stretch[] => {
    if (alike) return first < end ? [{ name: 'block', layer: 0, policy: recompute.policy, count: end - first }] : [];
    const found: Stretch[] = [];
    for (let at = first; at < end; at++) {
      const [layer, policy] = [layerLike(config, at), recomputeOf(recompute, at)];
      const last = found.at(-1);
      if (last?.layer === layer && last.policy === policy) last.count += 1;
      else found.push({ name: 'block', layer, policy, count: 1 });
    }
    return found;
  };
  const chunkOf = (place: number): Stretch[] => [
    ...(place === 0 ? [{ ...end, name: 'embedding' } as const] : []),
    ...stretches(layers[place]!),
    ...(place === layers.length - 1 ? [{ ...end, name: 'head' } as const] : []),
  ];

  // Of alike layers a chunk is what is first and last in it, and how many there are of them.
  const namesOf = (place: number): string => {
    const [first, end] = layers[place]!;
    return `${place === 0 ? 'e' : ''}${alike ? end - first : `${first}-${end}`}${place === layers.length - 1 ? 'h' : ''}`;
  };
  const summaryOf = (stage: number, places: readonly number[], names: readonly string[]): StageSummary => {
    const stretchesOf = (chunk: number): Stretch[] => chunkOf(places[chunk]!);
    const parts = once(() => alikeParts(names.flatMap((_, chunk) => stretchesOf(chunk))));
    const count = places.reduce((sum, place) => sum + layers[place]![1] - layers[place]![0], 0);
    const all = alike ? `${places.includes(0)} ${count} ${places.includes(layers.length - 1)}` : names.join('/');
    const tokens = tokensOf(parts, all);
    const { scalars, ...lasting } = onceOf(parts, stage, all);
    return {
      chunks: names.map((name, chunk) =>
        summaries.chunk(name, () =>
          stretchesOf(chunk).map(({ name, layer, policy, count }) => ({
            part: summaries.part(name, layer, policy),
            count,
          })),
        ),
      ),
      ...lasting,
      sendBytes,
      own: { step: tokens.step + scalars, microbatch: tokens.microbatch },
    };
  };
  const known = new Map<string, StageSummary>();
  const inOrder = some ?? Array.from({ length: pp }, (_, stage) => stage);
  return inOrder.map((stage) => {
    const places = Array.from({ length: chunksOf(layout) }, (_, chunk) => placeOf(layout, stage, chunk));
    const names = places.map(namesOf);
    const key = names.join('/');
    const found = known.get(key);
    if (found) return found;
    const made = summaryOf(stage, places, names);
    known.set(key, made);
    return made;
  });
}

/** Parts side by side that are alike. */
interface Stretch {
  readonly name: PartName;
  readonly layer: number;
  readonly policy: ReturnType<typeof recomputeOf>;
  count: number;
}

const end = { layer: 0, policy: 'none', count: 1 } as const;

/** The parts of all chunks, whatever they keep. */
function alikeParts(stretches: readonly Stretch[]): AlikeParts[] {
  const found = new Map<string, { part: AlikeParts['part']; count: number }>();
  for (const { name, layer, count } of stretches) {
    const known = found.get(`${name}${layer}`);
    if (known) known.count += count;
    else found.set(`${name}${layer}`, { part: { name, layer }, count });
  }
  return [...found.values()];
}
