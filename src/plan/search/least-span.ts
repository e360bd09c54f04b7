// How long a pipeline's schedule takes at least, by arithmetic on what its works take: no stage begins before the first microbatch has come
// through those before it, nor a backward before it has come back, does all its work one after the other, and is followed by the backwards of those before it.
import { eachForward, type Pipelined } from './first-backward.ts';

/** Seconds of one microbatch by virtual stage: chunk c of stage s is number c · pp + s. */
export interface VirtualSeconds {
  readonly forward: Float64Array;
  /** All of it, or where a schedule cuts it the gradient of the input. */
  readonly backward: Float64Array;
  /** Where it is cut. */
  readonly weightGradient: Float64Array;
}

export interface Pipeline extends Pipelined {
  /** Of a message to the next stage. */
  readonly send: number;
  /** The sender goes on while a message is under way. */
  readonly overlaps: boolean;
}

export interface LeastSpan {
  readonly seconds: number;
  /** The same of what goes through the last virtual stage's backward, where the head is. */
  readonly throughHead: number;
  /** By stage, what its own work says of it: from the first microbatch to the last of the stages before it. */
  readonly ofStages: Float64Array;
}

export function leastSpan(pipeline: Pipeline, seconds: VirtualSeconds): LeastSpan {
  const { schedule, pp, virtual, microbatches, send, overlaps } = pipeline;
  const { forward, backward: back, weightGradient } = seconds;
  const inHalves = schedule === 'zb-h1';
  const last = pp * virtual - 1;
  let [fill, drain] = [0, 0];
  const returned = firstReturns(pipeline, seconds);
  const ofStages = new Float64Array(pp);
  let throughHead = throughAll(pipeline, seconds);
  let most = throughHead;
  for (let stage = 0; stage < pp; stage++) {
    let [work, weights, messages] = [0, 0, 0];
    for (let at = stage; at <= last; at += pp) {
      work += forward[at]! + back[at]!;
      if (inHalves) weights += weightGradient[at]!;
      messages += (at < last ? 1 : 0) + (at > 0 ? 1 : 0);
    }
    const busy = microbatches * (work + (overlaps ? 0 : messages * send));
    // After its last gradient of an input ZB-H1 has that one's of the weights left, and as many before it as the stage's number.
    const late = inHalves ? Math.min(stage + 1, microbatches) : 0;
    const tail = Math.max(late * weights, drain + (inHalves && stage > 0 ? weightGradient[0]! : 0));
    const rest = busy + (microbatches - late) * weights + tail;
    const andBack = returned[stage]! - before(pipeline, seconds, stage) + rest;
    const own = Math.max(fill + rest, andBack);
    ofStages[stage] = own;
    most = Math.max(most, own);
    throughHead = Math.max(throughHead, stage === pp - 1 ? own : andBack);
    if (schedule === '1f1b' && virtual === 1 && overlaps) {
      const all = fill + turns(pipeline, seconds, stage) + drain;
      most = Math.max(most, all);
      throughHead = Math.max(throughHead, all);
    }
    fill += forward[stage]! + send;
    drain += back[stage]! + (overlaps || stage > 0 ? send : 0);
  }
  return { seconds: most, throughHead, ofStages };
}

/** By stage, when the first microbatch is back from those behind it. */
function firstReturns({ pp, virtual, send }: Pipeline, { forward, backward }: VirtualSeconds): Float64Array {
  const returned = new Float64Array(pp);
  const chunk = (virtual - 1) * pp;
  let at = (pp * virtual - 1) * send;
  for (const seconds of forward) at += seconds;
  for (let stage = pp - 1; stage >= 0; stage--) {
    returned[stage] = at;
    at += backward[chunk + stage]! + send;
  }
  return returned;
}

/** Seconds of what a stage does before its first backward. */
function before(pipeline: Pipeline, { forward }: VirtualSeconds, stage: number): number {
  const { pp, send, overlaps } = pipeline;
  const last = forward.length - 1;
  let sum = 0;
  eachForward(pipeline, stage, (chunk, count) => {
    const at = chunk * pp + stage;
    sum += count * (forward[at]! + (overlaps || at === last ? 0 : send));
  });
  return sum;
}

/** A microbatch goes through all of it both ways, and where most is to do of one all of them do, one after the other. */
function throughAll({ microbatches, send }: Pipeline, { forward, backward }: VirtualSeconds): number {
  let [all, most] = [2 * (forward.length - 1) * send, 0];
  for (let at = 0; at < forward.length; at++) {
    all += forward[at]! + backward[at]!;
    most = Math.max(most, forward[at]!, backward[at]!);
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
