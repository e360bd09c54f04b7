// What a rank of a stage holds at least: its parameters by their specs, and the activations of the microbatches that its schedule has under way.
import type { ScheduleName, Zero } from '../../mesh/layout.ts';
import { alignment } from '../../program/lives.ts';
import type { LiveProfile, StateBytes, Widths, WorkKind } from '../summary/summary.ts';
import { eachForward } from './first-backward.ts';
import type { Chunk } from './known-kind.ts';
import type { PartElements } from './part-elements.ts';
import { copiesOf, type Grid } from './task.ts';

/** What is shared out is padded to whole shares, which is left out. */
export function leastState(
  { own, alike, experts }: PartElements,
  { grid, zero }: { readonly grid: Grid; readonly zero: Zero },
  widths: Widths,
): StateBytes {
  const { cp, ep } = grid.kind;
  const dp = copiesOf(grid);
  const held = (from: number) =>
    zero < from ? own + alike + experts : (own + alike) / (dp * cp * ep) + experts / (dp * cp);
  // Shares of parameters are the optimizer's, where it has copies.
  const whole = (dp * cp * ep > 1 ? 0 : own + alike) + (dp * cp > 1 ? 0 : experts);
  return {
    weights: (zero < 3 || widths.master === 0 ? held(3) : whole) * widths.parameters,
    gradients: held(2) * widths.gradients,
    optimizer: held(1) * (2 * widths.moments + widths.master),
  };
}

/** Bytes of activations of a chunk's work, with the messages that come before it and go after it. */
export type HeldBy = (work: WorkKind) => LiveProfile;

/** `at`: the virtual stage, of which `last` is the last. */
export function withMessages({ live }: Chunk, at: number, last: number, messageBytes: number): HeldBy {
  const message = Math.ceil(messageBytes / alignment) * alignment;
  const [before, behind] = [at > 0 ? message : 0, at < last ? message : 0];
  const between = ({ peak, net }: LiveProfile, received: number, sent: number): LiveProfile => ({
    peak: peak + received,
    net: net + received - sent,
  });
  return (work) => {
    if (work === 'weightGradient') return live(work);
    return work === 'forward' ? between(live(work), before, behind) : between(live(work), behind, before);
  };
}

/** Bytes of activations of a stage with these chunks, at the first backward of its schedule. */
export function leastActivations(
  schedule: ScheduleName,
  stage: number,
  { pp, microbatches }: Pick<Grid, 'pp' | 'microbatches'>,
  chunks: readonly HeldBy[],
): number {
  if (schedule === 'dualpipe') return bothWaysActivations(stage, pp, chunks);
  const virtual = chunks.length;
  const last = chunks[virtual - 1]!;
  if (schedule === 'zb-h1') {
    const [forward, input] = [last('forward'), last('inputGradient')];
    const warm = Math.min(pp - 1 - stage, microbatches - 1);
    // Gradients of weights that wait for their turn hold what they need.
    const late = Math.min(stage, microbatches - 1 - warm) * Math.max(0, forward.net + input.net);
    return warm * forward.net + late + Math.max(forward.peak, forward.net + input.peak);
  }
  const back = last('backward').peak;
  let [held, most] = [0, 0];
  eachForward({ schedule, pp, virtual, microbatches }, stage, (chunk, count) => {
    const { peak, net } = chunks[chunk]!('forward');
    // The last one's peak, or what it leaves with the backward's.
    most = held + Math.max(peak, net + back);
    held += count * net;
  });
  return most;
}

/** As in schedule/dual-pipe.ts. What is left of a microbatch whose gradients of weights wait is alive, and nothing of one that has gone both ways. */
function bothWaysActivations(stage: number, pp: number, chunks: readonly HeldBy[]): number {
  const fromEnd = Math.min(stage, pp - 1 - stage);
  const toMiddle = pp / 2 - 1 - fromEnd;
  const [near, far] = stage === fromEnd ? chunks : chunks.toReversed();
  const [there, opposite] = [near!('forward'), far!('forward')];
  const input = near!('inputGradient');
  const lateOf = (held: HeldBy): number => Math.max(0, held('forward').net + held('inputGradient').net);
  const forwards = (pp - 1 - fromEnd) * there.net + (fromEnd + 1) * opposite.net;
  const firstHalf = toMiddle > 0 ? far!('inputGradient').peak : 0;
  const firstWhole = Math.max(there.peak, there.net + far!('backward').peak);
  const late = (Math.ceil((fromEnd + 1) / 2) - 1) * lateOf(near!) + Math.floor((fromEnd + 1) / 2) * lateOf(far!);
  const lastOfMany = toMiddle * there.net + late + there.net + input.peak;
  return Math.max(forwards + firstHalf, forwards + firstWhole, lastOfMany);
}
