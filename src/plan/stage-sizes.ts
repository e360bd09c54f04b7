// How many layers each stage of a pipeline gets, so that none has longer to compute than it must: an exact search over all ways to cut
// the layers into stages.

export interface StageWork {
  /** FLOPs of each layer. */
  readonly layers: readonly number[];
  /** FLOPs of the head, which is behind the last layer; the embedding multiplies no matrices. */
  readonly head: number;
}

/**
 * Layers of each virtual stage, at least one each, so that the greatest time of a virtual stage is least; of the ways that do this, the one
 * in which the squares of their times sum up to least. `speeds`: of each virtual stage, at most as many as there are layers. O(stages ·
 * layers²).
 */
export function stageSizes({ layers, head }: StageWork, speeds: readonly number[]): number[] {
  const upTo = [0];
  for (const [layer, flops] of layers.entries()) upTo.push(upTo[layer]! + flops);
  const last = speeds.length - 1;
  const timeOf = (stage: number, first: number, end: number): number =>
    (upTo[end]! - upTo[first]! + (stage === last ? head : 0)) / speeds[stage]!;
  const least = search(layers.length, speeds.length, (best, stage, first, end) =>
    Math.max(best, timeOf(stage, first, end)),
  ).cost;
  return search(layers.length, speeds.length, (sum, stage, first, end) => {
    const time = timeOf(stage, first, end);
    return time > least ? Number.POSITIVE_INFINITY : sum + time ** 2;
  }).sizes;
}

/** What it costs when this stage has the layers [first, end) and those before it cost `before`. */
type CostOf = (before: number, stage: number, first: number, end: number) => number;

/** The cheapest way to cut so many layers into so many stages, by the cheapest ways to cut the layers before each. */
function search(layers: number, stages: number, costOf: CostOf): { readonly cost: number; readonly sizes: number[] } {
  /** By the layer behind the last one of the stages so far. */
  let best = new Map([[0, { cost: 0, sizes: [] as number[] }]]);
  for (let stage = 0; stage < stages; stage++) {
    const next: typeof best = new Map();
    const lastEnd = layers - (stages - 1 - stage);
    for (const [first, { cost, sizes }] of best)
      for (let end = stage === stages - 1 ? layers : first + 1; end <= lastEnd; end++) {
        const found = costOf(cost, stage, first, end);
        if (found < (next.get(end)?.cost ?? Number.POSITIVE_INFINITY))
          next.set(end, { cost: found, sizes: [...sizes, end - first] });
      }
    best = next;
  }
  return best.get(layers)!;
}
