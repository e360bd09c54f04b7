// What the ranks of a pipeline stage do and hold in a step of training on tokens, from summaries of its parts.
import { virtualLayers } from '../../mesh/layout.ts';
import { coordsOf } from '../../mesh/mesh.ts';
import { recomputeOf } from '../../mesh/recompute.ts';
import { layerLike } from '../../model/config.ts';
import type { PartName } from '../../model/params.ts';
import { residualShape } from '../../model/parts.ts';
import { elements } from '../../program/program.ts';
import type { AlikeParts } from '../../state/buckets.ts';
import { type StepSettings, traceSettings } from '../../step/settings.ts';
import { onceSummary, tokenBytes } from './once-summary.ts';
import { chunkSummary, partSummaries, widthsKey } from './part-summary.ts';
import type { CountedPart, StageSummary, Widths } from './summary.ts';

/** Of stage `pp`: see {@link summariseStages}. */
export const summariseStage = (settings: StepSettings, pp: number, widths: Widths): StageSummary =>
  summariseStages(settings, widths, [pp])[0]!;

/**
 * Of the first rank of every stage (or of `some`), which stands for all of it: over cp ranks hold other tokens, which see more or fewer
 * others. Replicas that take steps of their own (`outer`) are no part of it. Stages that are alike have the same summary.
 */
export function summariseStages(settings: StepSettings, widths: Widths, some?: readonly number[]): StageSummary[] {
  const { config, layout } = settings;
  const { pp, virtual, recompute } = layout;
  const layers = virtualLayers(layout, config.layers);
  const summaryOf = partSummaries(settings, widths);
  const bytes = widthsKey(widths);
  const sendBytes = elements(residualShape(traceSettings(settings, coordsOf(layout, 0)))) * widths.activations;
  const alike = !config.mixture && recompute.layers === undefined;

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

  // Of alike layers a stage is what is first and last in it, and how many there are of them.
  const likeness = (stage: number): string => {
    let text = `${stage === 0} ${stage === pp - 1}`;
    for (let place = stage; place < layers.length; place += pp) {
      const [first, end] = layers[place]!;
      text += alike ? ` ${end - first}` : ` ${first}-${end}`;
    }
    return text;
  };
  const known = new Map<string, StageSummary>();
  return (some ?? Array.from({ length: pp }, (_, stage) => stage)).map((stage) => {
    const key = likeness(stage);
    const found = known.get(key);
    if (found) return found;
    const chunks = Array.from({ length: virtual }, (_, chunk) => chunkOf(chunk * pp + stage));
    const parts = alikeParts(chunks);
    const partsKey = parts.map(({ part, count }) => `${part.name}${part.layer}*${count}`).join();
    const { once, state, scalars } = onceSummary(parts, settings, stage, widths, `${partsKey} ${bytes}`);
    const tokens = tokenBytes(parts, settings, widths);
    const made: StageSummary = {
      chunks: chunks.map((chunk) =>
        chunkSummary(
          config,
          chunk.map(({ name, layer, policy, count }): CountedPart => ({ part: summaryOf(name, layer, policy), count })),
        ),
      ),
      once,
      state,
      sendBytes,
      own: { step: tokens.step + scalars, microbatch: tokens.microbatch },
    };
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
function alikeParts(chunks: readonly (readonly Stretch[])[]): AlikeParts[] {
  const found = new Map<string, { part: AlikeParts['part']; count: number }>();
  for (const { name, layer, count } of chunks.flat()) {
    const known = found.get(`${name}${layer}`);
    if (known) known.count += count;
    else found.set(`${name}${layer}`, { part: { name, layer }, count });
  }
  return [...found.values()];
}
