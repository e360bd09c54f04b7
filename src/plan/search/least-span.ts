// How long a pipeline's schedule takes at least, by arithmetic on what its works take: no stage begins before the first microbatch has come
// through those before it, does all its work one after the other, and is followed by the backwards of those before it.
import type { ScheduleName } from '../../mesh/layout.ts';

/** Seconds of one microbatch by virtual stage: chunk c of stage s is number c · pp + s. */
export interface VirtualSeconds {
  readonly forward: readonly number[];
  /** All of it, or where a schedule cuts it the gradient of the input. */
  readonly backward: readonly number[];
  /** Where it is cut. */
  readonly weightGradient: readonly number[];
}

export interface Pipeline {
  readonly schedule: ScheduleName;
  readonly pp: number;
  readonly virtual: number;
  readonly microbatches: number;
  /** Of a message to the next stage. */
  readonly send: number;
  /** The sender goes on while a message is under way. */
  readonly overlaps: boolean;
}

export function leastSpan(pipeline: Pipeline, seconds: VirtualSeconds): number {
  const { schedule, pp, virtual, microbatches, send, overlaps } = pipeline;
  const { forward, backward: back, weightGradient } = seconds;
  const inHalves = schedule === 'zb-h1';
  const last = pp * virtual - 1;
  let [fill, drain] = [0, 0];
  let most = throughAll(pipeline, seconds);
  for (let stage = 0; stage < pp; stage++) {
    let [work, weights, messages] = [0, 0, 0];
    for (let at = stage; at <= last; at += pp) {
      work += forward[at]! + back[at]!;
      if (inHalves) weights += weightGradient[at]!;
      messages += (at < last ? 1 : 0) + (at > 0 ? 1 : 0);
    }
    const busy = microbatches * (work + (overlaps ? 0 : messages * send));
    // ZB-H1 has up to as many gradients of weights left as the stage's number.
    const late = inHalves ? Math.min(stage, microbatches) : 0;
    const tail = Math.max(late * weights, drain + (inHalves && stage > 0 ? weightGradient[0]! : 0));
    most = Math.max(most, fill + busy + (microbatches - late) * weights + tail);
    if (schedule === '1f1b' && virtual === 1 && overlaps)
      most = Math.max(most, fill + turns(pipeline, seconds, stage) + drain);
    fill += forward[stage]! + send;
    drain += back[stage]! + (overlaps || stage > 0 ? send : 0);
  }
  return most;
}

/** A microbatch goes through all of it both ways, and where most is to do of one all of them do, one after the other. */
function throughAll({ microbatches, send }: Pipeline, { forward, backward }: VirtualSeconds): number {
  let [all, most] = [2 * (forward.length - 1) * send, 0];
  for (const [at, seconds] of forward.entries()) {
    all += seconds + backward[at]!;
    most = Math.max(most, seconds, backward[at]!);
  }
  return all + (microbatches - 1) * most;
}

/** Under 1F1B a stage has as many microbatches on their way through those behind it as these are, itself included: each waits for one to come back. */
function turns({ pp, microbatches, send }: Pipeline, { forward, backward }: VirtualSeconds, stage: number): number {
  const onTheWay = Math.min(pp - stage, microbatches);
  const full = Math.floor((microbatches - 1) / onTheWay);
  let turn = 2 * (pp - 1 - stage) * send;
  for (let at = stage; at < pp; at++) turn += forward[at]! + backward[at]!;
  return (full + 1) * turn + (microbatches - 1 - full * onTheWay) * forward[stage]!;
}
