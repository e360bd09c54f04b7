// Plays requests one by one over the instances of a deployment: an event simulation.
import type { Arrivals } from './arrivals.ts';
import { type Played, PlayedInstance, type PlayedRequest, type PlayedSetting } from './played-instance.ts';

export interface PlayedPool {
  readonly setting: PlayedSetting;
  readonly instances: number;
}

export interface PlayedDeployment {
  /** Where requests go first. */
  readonly first: PlayedPool;
  /** Where they are written, if elsewhere. */
  readonly after?: PlayedPool & { readonly transferSeconds: number };
  /** Until a request that was sent is queued. */
  readonly answerSeconds: number;
}

interface Coming {
  readonly at: number;
  readonly request: PlayedRequest;
}

/** All requests that came, with what became of each: every one of them is done. */
export function playRequests(deployment: PlayedDeployment, arrivals: Arrivals): PlayedRequest[] {
  const { answerSeconds } = deployment;
  const first = instancesOf(deployment.first);
  const after = deployment.after && instancesOf(deployment.after);
  const instances = [...first, ...(after ?? [])];
  const requests: PlayedRequest[] = [];
  const coming = arrivals.given.map(
    ({ seconds, ...tokens }): Coming => ({
      at: seconds + answerSeconds,
      request: made(seconds, tokens),
    }),
  );
  const moving: Coming[] = [];
  const following = [...arrivals.following];
  let next = 0;

  const settle = ({ read, done }: Played, at: number): void => {
    for (const request of read) insert(moving, { at: at + (deployment.after?.transferSeconds ?? 0), request });
    for (const _ of done) {
      const tokens = following.pop();
      if (tokens) insert(coming, { at: at + answerSeconds, request: made(at, tokens) });
    }
  };
  function made(arrival: number, { inputTokens, outputTokens }: { inputTokens: number; outputTokens: number }) {
    const request = { arrival, inputTokens, outputTokens, firstToken: 0, end: 0 };
    requests.push(request);
    return request;
  }

  for (;;) {
    // Whatever is first: a request that comes, one that has moved, or an instance whose iteration is over.
    const arriving = coming[next]?.at ?? Number.POSITIVE_INFINITY;
    const moved = moving[0]?.at ?? Number.POSITIVE_INFINITY;
    const busy = earliest(instances);
    const clock = busy?.clock ?? Number.POSITIVE_INFINITY;
    if (arriving <= moved && arriving <= clock && next < coming.length) {
      const { at, request } = coming[next++]!;
      leastLoaded(first).add(request, at);
    } else if (moved <= clock && moving.length > 0) {
      const { at, request } = moving.shift()!;
      leastLoaded(after!).add(request, at);
    } else if (busy) settle(busy.play(Math.min(arriving, moved)), busy.clock);
    else return requests;
  }
}

/** Keeps them in the order in which they come. */
function insert(list: Coming[], item: Coming): void {
  let place = list.length;
  while (place > 0 && list[place - 1]!.at > item.at) place--;
  list.splice(place, 0, item);
}

const instancesOf = ({ setting, instances }: PlayedPool): PlayedInstance[] =>
  Array.from({ length: instances }, () => new PlayedInstance(setting));

/** Of those that have something to do, the one whose iteration is over first. */
function earliest(instances: readonly PlayedInstance[]): PlayedInstance | undefined {
  let found: PlayedInstance | undefined;
  for (const each of instances) if (each.requests > 0 && (!found || each.clock < found.clock)) found = each;
  return found;
}

const leastLoaded = (instances: readonly PlayedInstance[]): PlayedInstance =>
  instances.reduce((least, each) => (each.requests < least.requests ? each : least));
