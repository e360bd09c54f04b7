// How long DualPipe takes at least, by arithmetic on what its works take: see least-span.ts, and schedule/dual-pipe.ts for how often a stage does what.
import { allSeconds } from '../training/run-seconds.ts';
import { sideBySide, withHidden } from '../training/side-by-side.ts';
import type { Chunk } from './known-kind.ts';
import type { LeastSpan } from './least-span.ts';

/** Seconds of one microbatch by place in the model. */
export interface BothWaysSeconds {
  readonly forward: Float64Array;
  readonly backward: Float64Array;
  readonly inputGradient: Float64Array;
  readonly weightGradient: Float64Array;
  /** Of a forward there side by side with a backward of the place opposite. */
  readonly pair: Float64Array;
}

export interface BothWays {
  readonly pp: number;
  readonly microbatches: number;
  /** Of a message to the next stage. */
  readonly send: number;
  /** The sender goes on while a message is under way. */
  readonly overlaps: boolean;
}

/** `isLeast`: what chunks do is known from below alone. */
export function bothWaysSeconds(chunks: readonly Chunk[], isLeast: boolean): BothWaysSeconds {
  const of = (seconds: (chunk: Chunk, at: number) => number) => Float64Array.from(chunks, seconds);
  return {
    forward: of(({ forward }) => forward),
    backward: of(({ backward }) => backward),
    inputGradient: of(({ halves }) => halves.inputGradient),
    weightGradient: of(({ halves }) => halves.weightGradient),
    pair: of((chunk, at) => pairSeconds(chunk, chunks[chunks.length - 1 - at]!, isLeast)),
  };
}

/** More kernels than are known of may hide all exchanges. */
function pairSeconds(there: Chunk, opposite: Chunk, isLeast: boolean): number {
  const [forward, backward] = [there.apart('forward'), opposite.apart('backward')];
  if (isLeast) return allSeconds(withHidden(forward, 1)) + allSeconds(withHidden(backward, 1));
  const pair = sideBySide(forward, backward);
  return allSeconds(pair.forward) + allSeconds(pair.backward);
}

/** `ofStages`: of the first half; those of the other half do the same. */
export function bothWaysSpan(pipeline: BothWays, seconds: BothWaysSeconds): LeastSpan {
  const { pp, send, overlaps } = pipeline;
  const { forward, inputGradient, weightGradient } = seconds;
  const ofStages = new Float64Array(pp / 2);
  let [fill, drain] = [0, 0];
  // The first microbatch that comes from the other end goes through all places and comes back.
  let returned = (pp - 1) * send;
  for (const each of forward) returned += each;
  for (let stage = 0; stage < pp / 2; stage++) {
    const [near, far] = [stage, pp - 1 - stage];
    const { before, all } = busySeconds(pipeline, seconds, stage);
    // After its last gradient of an input a stage has some of weights left, while that one goes on to the end.
    const tail = (stage + 1) * Math.max(weightGradient[near]!, weightGradient[far]!);
    const goesOn = stage === 0 ? 0 : drain + weightGradient[0]!;
    ofStages[stage] = Math.max(fill, returned - before) + all + Math.max(0, goesOn - tail);
    fill += forward[near]! + send;
    drain += inputGradient[near]! + (overlaps || stage > 0 ? send : 0);
    returned += inputGradient[far]! + send;
  }
  return { seconds: Math.max(...ofStages), throughHead: 0, ofStages };
}

/** Of all that a stage of the first half does, and of its forwards before its first backward. */
function busySeconds(
  { pp, microbatches, send, overlaps }: BothWays,
  { forward, backward, inputGradient, weightGradient, pair }: BothWaysSeconds,
  stage: number,
): { readonly before: number; readonly all: number } {
  const [near, far] = [stage, pp - 1 - stage];
  const half = microbatches / 2;
  const busy = overlaps ? 0 : send;
  const says = (place: number, ways: 1 | -1) => (place === (ways === 1 ? pp - 1 : 0) ? 0 : busy);
  // As in schedule/dual-pipe.ts.
  const toMiddle = pp / 2 - 1 - stage;
  const steady = half - pp + stage + 1;
  const [wholeNear, wholeFar] = [Math.floor((stage + 1) / 2), toMiddle + Math.ceil((stage + 1) / 2)];
  const halvesOf = (place: number) => inputGradient[place]! + weightGradient[place]!;
  const alone =
    far * forward[near]! +
    (stage + 1 + toMiddle) * forward[far]! +
    wholeNear * backward[near]! +
    wholeFar * backward[far]! +
    (half - steady - toMiddle - wholeNear) * halvesOf(near) +
    (half - steady - wholeFar) * halvesOf(far);
  const messages = half * (says(near, 1) + says(near, -1) + says(far, 1) + says(far, -1));
  return {
    before: far * (forward[near]! + says(near, 1)) + (stage + 1) * (forward[far]! + says(far, 1)),
    all: alone + steady * pair[near]! + (steady + toMiddle) * pair[far]! + messages,
  };
}
