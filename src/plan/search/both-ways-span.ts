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

/**
 * The earliest that a stage can begin what its order has, by what it did before and by the microbatch that goes first, or last: the first one's gradient
 * comes back through all stages, and the last one goes through all of them side by side with backwards. `ofStages`: of the first half; those of the other
 * half do the same.
 */
export function bothWaysSpan(pipeline: BothWays, seconds: BothWaysSeconds): LeastSpan {
  const { pp, microbatches, send, overlaps } = pipeline;
  const { forward, inputGradient, weightGradient, pair } = seconds;
  const { F, B, I, FB } = withSends(pipeline, seconds);
  const W = (place: number) => weightGradient[place]!;
  const stages = Array.from({ length: pp / 2 }, (_, near) => ({
    near,
    far: pp - 1 - near,
    toMiddle: pp / 2 - 1 - near,
  }));
  const towardsEnd = stages.toReversed();
  /** Of a stage, when its first forward that is side by side with a backward begins: of the direction that begins near, and of the other one. */
  const [nearBegins, farBegins] = [new Float64Array(pp / 2), new Float64Array(pp / 2)];
  let first = 0;
  // The first microbatch that comes from the other end goes through all places and comes back.
  let returned = (pp - 1) * send;
  for (const each of forward) returned += each;
  for (const { near, far, toMiddle } of stages) {
    const before = far * F(near) + (near + 1) * F(far);
    nearBegins[near] = Math.max(first + before, returned) + toMiddle * (I(far) + W(far) + F(far));
    first += forward[near]! + send;
    returned += inputGradient[far]! + send;
  }
  returned = nearBegins[pp / 2 - 1]! + pair[pp / 2 - 1]! + send;
  for (const { near, far } of towardsEnd) {
    farBegins[near] = Math.max(nearBegins[near]! + FB(near), returned);
    returned = farBegins[near]! + pair[far]! + send;
  }
  /** When its last forward of the direction that begins near can begin. */
  const lasts = new Float64Array(pp / 2);
  let last = 0;
  for (const { near, far } of stages) {
    const more = microbatches / 2 - pp + near;
    const own = more === 0 ? nearBegins[near]! : farBegins[near]! + more * FB(far) + (more - 1) * FB(near);
    lasts[near] = Math.max(own, last);
    last = lasts[near]! + pair[near]! + send;
  }
  const ofStages = new Float64Array(pp / 2);
  for (const { near, far, toMiddle } of towardsEnd) {
    const own = Math.max(lasts[near]! + FB(near), farBegins[near]!) + toMiddle * (FB(far) + B(far));
    const begins = Math.max(own, last);
    last = begins + pair[far]! + send;
    // Backwards that are left.
    const [wholeNear, wholeFar] = [Math.floor((near + 1) / 2), Math.ceil((near + 1) / 2)];
    ofStages[near] =
      begins +
      FB(far) +
      wholeNear * B(near) +
      wholeFar * B(far) +
      (pp / 2 - wholeNear) * (I(near) + W(near)) +
      (near + 1 - wholeFar) * (I(far) + W(far));
  }
  let drain = 0;
  for (const { near, far } of stages) {
    // After its last gradient of an input a stage has some of weights left, while that one goes on to the end.
    const tail = (near + 1) * Math.max(W(near), W(far));
    const goesOn = near === 0 ? 0 : drain + W(0);
    ofStages[near]! += Math.max(0, goesOn - tail);
    drain += inputGradient[near]! + (overlaps || near > 0 ? send : 0);
  }
  return { seconds: Math.max(...ofStages), throughHead: 0, ofStages };
}

/** Of works as in schedule/dual-pipe.ts, with messages that their stage waits for. */
function withSends({ pp, send, overlaps }: BothWays, { forward, backward, inputGradient, pair }: BothWaysSeconds) {
  const busy = overlaps ? 0 : send;
  const back = (place: number) => (place > 0 ? busy : 0);
  const on = (place: number) => (place < pp - 1 ? busy : 0);
  return {
    F: (place: number) => forward[place]! + on(place),
    B: (place: number) => backward[place]! + back(place),
    I: (place: number) => inputGradient[place]! + back(place),
    /** A forward there side by side with a backward of the place opposite. */
    FB: (place: number) => pair[place]! + 2 * on(place),
  };
}
