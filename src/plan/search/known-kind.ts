// What the chunks of a stage compute, say and hold of a microbatch: by tracing their parts, or at least.
import { withCopies } from '../../mesh/layout.ts';
import type { RecomputePolicy } from '../../mesh/recompute.ts';
import { layerLike } from '../../model/config.ts';
import type { PartName } from '../../model/params.ts';
import type { WorkKind } from '../../schedule/schedule.ts';
import { once } from '../../step/once.ts';
import type { Software } from '../software/software.ts';
import { summariesFor } from '../summary/part-summary.ts';
import type { LiveProfile, PartSummary } from '../summary/summary.ts';
import { type CostModel, trainingCosts } from '../training/costs.ts';
import { type LivePart, liveOf } from '../training/held-besides.ts';
import { type Moved, movedOf } from '../training/offload-memory.ts';
import { hostLinkSeconds } from '../training/offload-time.ts';
import { stepSettings } from '../training/predict-training.ts';
import { allSeconds, type RunSeconds, runSeconds, sumOfParts } from '../training/run-seconds.ts';
import { type TrainingScenario, widthsOf } from '../training/scenario.ts';
import { withHidden } from '../training/side-by-side.ts';
import type { ChunkRange } from './cut-plan.ts';
import type { PartsOfKind } from './least-parts.ts';
import { type SearchTask, type SharedGrid, sharedLayout } from './task.ts';

/** Seconds of one microbatch, what other work does not hide of its talk included; bytes of activations. */
export interface Chunk {
  readonly forward: number;
  readonly backward: number;
  /** `compute`: of kernels alone, of both. */
  readonly halves: { readonly inputGradient: number; readonly weightGradient: number; readonly compute: number };
  /** Of kernels alone. */
  readonly compute: { readonly forward: number; readonly backward: number };
  /** With nothing beside exchanges of experts, for `sideBySide`; at least, if there are any: of the device alone. */
  readonly apart: (work: 'forward' | 'backward') => RunSeconds;
  readonly live: (work: WorkKind) => LiveProfile;
  /** Of `live`, what is moved out after a forward if all of its layers' activations are. */
  readonly moved: Moved;
  /** Seconds that the link to the host is taken up by what is said. */
  readonly onHostLink: (work: WorkKind) => number;
}

/** So many layers of a chunk, its first ones, compute anew. */
export interface Anew {
  readonly policy: RecomputePolicy;
  readonly layers: number;
}

/** Seconds of a pass at least, whatever is beside it. */
export const besideOthers = (chunk: Chunk, pass: 'forward' | 'backward'): number =>
  Math.min(chunk[pass], allSeconds(withHidden(chunk.apart(pass), 1)));

export interface KnownKind {
  readonly chunk: (range: ChunkRange, anew?: Anew) => Chunk;
  /** What chunks do is known from below alone. */
  readonly isLeast: boolean;
}

/** By tracing its parts: the same summaries and seconds that a prediction has. */
export function knowKind(
  task: SearchTask,
  grid: SharedGrid,
  model: CostModel,
  traced: PartOf = tracedParts(task, grid),
): KnownKind {
  const scenario = scenarioOf(task, grid);
  const { kernel, talk, ...costs } = trainingCosts(scenario, model);
  const known = { ...costs, kernel: once(kernel), talk: once(talk) };
  const { software } = task;
  const secondsBy = (software: Software) =>
    once((part: PartSummary, work: WorkKind) => runSeconds(part[work], known, software, part.policy));
  const secondsOf = secondsBy(software);
  const apartOf = software.overlapsExperts ? secondsBy({ ...software, overlapsExperts: false }) : secondsOf;
  const hostLinkOf = once((part: PartSummary, work: WorkKind) => hostLinkSeconds(part[work].talk, known));
  return { ...chunksOf(scenario, traced, { secondsOf, apartOf, hostLinkOf }), isLeast: false };
}

/** Whatever device they are on. */
export function tracedParts(task: SearchTask, grid: SharedGrid): PartOf {
  const settings = stepSettings(scenarioOf(task, grid));
  const { part } = summariesFor({ ...settings, layout: withCopies(settings.layout) }, widthsOf(task.formats));
  const { recompute } = grid.kind;
  return (name, layer, policy = recompute) => part(name, layer, name === 'block' ? policy : 'none');
}

/** By what its parts do at least. */
export const leastKind = (task: SearchTask, grid: SharedGrid, { part }: PartsOfKind): KnownKind => ({
  ...chunksOf(scenarioOf(task, grid), part, {
    secondsOf: ({ seconds }, work) => seconds(work),
    apartOf: ({ apart }, work) => apart(work),
    hostLinkOf: () => 0,
  }),
  isLeast: true,
});

/** `policy`: of a layer that does not do as its kind. */
export type PartOf = (name: PartName, layer: number, policy?: RecomputePolicy) => PartSummary;

interface Part<P extends LivePart> {
  readonly part: P;
  readonly count: number;
}

interface SecondsOfParts<P> {
  readonly secondsOf: (part: P, work: WorkKind) => RunSeconds;
  /** With nothing beside exchanges of experts. */
  readonly apartOf: (part: P, work: WorkKind) => RunSeconds;
  /** Of the link to the host, what is said. */
  readonly hostLinkOf: (part: P, work: WorkKind) => number;
}

function chunksOf<P extends LivePart>(
  scenario: TrainingScenario,
  partOf: (name: PartName, layer: number, policy?: RecomputePolicy) => P,
  { secondsOf, apartOf, hostLinkOf }: SecondsOfParts<P>,
): Pick<KnownKind, 'chunk'> {
  const { config } = scenario;
  const chunks = new Map<string | number, Chunk>();

  const chunkOf = (parts: readonly Part<P>[]): Chunk => {
    const runOf = (work: WorkKind): RunSeconds => sumOfParts(parts, (part) => secondsOf(part, work));
    const live = liveOf(scenario, { parts });
    const alive: { [work in WorkKind]?: LiveProfile } = {};
    const apart: { [work in WorkKind]?: RunSeconds } = {};
    // Of chunks that do not fit, nobody asks for seconds.
    let both: Pick<Chunk, 'forward' | 'backward' | 'compute'> | undefined;
    let halves: Chunk['halves'] | undefined;
    let moved: Moved | undefined;
    const passes = () => {
      if (both) return both;
      const [forward, backward] = [runOf('forward'), runOf('backward')];
      const compute = { forward: forward.compute, backward: backward.compute };
      both = { forward: allSeconds(forward), backward: allSeconds(backward), compute };
      return both;
    };
    return {
      get forward() {
        return passes().forward;
      },
      get backward() {
        return passes().backward;
      },
      get compute() {
        return passes().compute;
      },
      get halves() {
        if (halves) return halves;
        const [inputs, weights] = [runOf('inputGradient'), runOf('weightGradient')];
        halves = {
          inputGradient: allSeconds(inputs),
          weightGradient: allSeconds(weights),
          compute: inputs.compute + weights.compute,
        };
        return halves;
      },
      apart(work) {
        apart[work] ??= sumOfParts(parts, (part) => apartOf(part, work));
        return apart[work];
      },
      live(work) {
        alive[work] ??= live(work);
        return alive[work];
      },
      get moved() {
        moved ??= movedOf(scenario, { parts }, 1);
        return moved;
      },
      onHostLink: (work) => parts.reduce((sum, { part, count }) => sum + count * hostLinkOf(part, work), 0),
    };
  };
  const partsOf = ({ first, end, isFirst, isLast }: ChunkRange, anew?: Anew): Part<P>[] => {
    const runs: { part: P; count: number }[] = [];
    if (isFirst) runs.push({ part: partOf('embedding', 0), count: 1 });
    for (let layer = first; layer < end; layer++) {
      const policy = anew && layer - first < anew.layers ? anew.policy : undefined;
      const part = partOf('block', layerLike(config, layer), policy);
      const last = runs.at(-1);
      if (last && last.part === part) last.count += 1;
      else runs.push({ part, count: 1 });
    }
    if (isLast) runs.push({ part: partOf('head', 0), count: 1 });
    return runs;
  };
  return {
    chunk(range, anew) {
      const key = anew ? `${range.key} ${anew.policy} ${anew.layers}` : range.key;
      const found = chunks.get(key);
      if (found) return found;
      const made = chunkOf(partsOf(range, anew));
      chunks.set(key, made);
      return made;
    },
  };
}

const scenarioOf = (task: SearchTask, grid: SharedGrid): TrainingScenario => ({
  ...task,
  layout: sharedLayout(grid),
  microBatch: grid.kind.microBatch,
  microbatches: grid.microbatches,
});
