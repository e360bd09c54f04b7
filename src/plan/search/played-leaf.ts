// What a split takes and holds with its schedule played, and as little given up as makes it fit.
import type { WorkKind } from '../../schedule/schedule.ts';
import type { LiveProfile } from '../summary/summary.ts';
import { bothWaysSeconds } from './both-ways-span.ts';
import type { BoundedLeaf } from './bounded-leaf.ts';
import { chunkSeconds } from './chunk-seconds.ts';
import type { StagePlan } from './cut-plan.ts';
import { chunksGiving, leastRoom, type Playing, worksOf } from './eased-leaves.ts';
import type { Chunk } from './known-kind.ts';
import { costsOf, type Expanding, messageBytes, secondsAfter, sendSeconds, stageStates } from './leaf-bounds.ts';
import { withMessages } from './least-memory.ts';
import { betterKnown } from './objective.ts';
import { type Order, type PlayedSeconds, playedPeak, playedSpan, workIndex } from './played-span.ts';

/** Undefined: it does not fit, whatever it gives up. */
export function playedLeaf(expanding: Expanding, bounded: BoundedLeaf, order: Order): BoundedLeaf | undefined {
  const { task, known, usableBytes } = expanding;
  const { leaf, plan, least } = bounded;
  const costs = costsOf(expanding);
  const message = messageBytes(expanding);
  const states = stageStates(expanding);
  const stateOf = (parts: StagePlan['parts']) => states(parts, leaf.zero);
  const playing: Playing = { task, known, bounded, order, messageBytes: message, stateOf, usableBytes };
  const played = chunksGiving(playing);
  if (!played) return undefined;
  const { chunks, given } = played;
  const send = sendSeconds(message, costs);
  const busy = task.software.overlapsPipeline ? 0 : send;
  const works = new Float64Array(4 * chunks.length);
  const live: LiveProfile[] = [];
  const last = chunks.length - 1;
  for (const [at, chunk] of chunks.entries()) {
    const held = withMessages(chunk, at, last, message);
    for (const work of worksOf(leaf)) {
      const says = work === 'forward' ? at < last : work !== 'weightGradient' && at > 0;
      works[workIndex(at, work)] = workSeconds(chunk, work) + (says ? busy : 0);
      live[workIndex(at, work)] = held(work);
    }
  }
  const timed = { works, transit: send - busy };
  const isBothWays = leaf.schedule === 'dualpipe';
  const span = playedSpan(order, isBothWays ? { ...timed, pairs: pairsOf(chunks, busy) } : timed);
  const held = plan.fullest.map(({ parts, stage }) => ({
    state: stateOf(parts),
    activations: playedPeak(order, stage, live),
  }));
  const memoryBytes = Math.max(least.memoryBytes, leastRoom(task, held, leaf.ease));
  const { kernels } = chunkSeconds(expanding.grid, chunks);
  const windows = plan.fullest.map(({ stage }) => kernels(stage));
  const onHost = leaf.ease?.optimizer ?? task.offload?.optimizer ?? false;
  const after = secondsAfter(
    task,
    held.map(({ state }) => state),
    windows,
    costs,
    onHost,
  );
  const stepSeconds = Math.max(least.stepSeconds, span + after);
  return { ...bounded, least: betterKnown(least, stepSeconds, memoryBytes), span, after, held, given };
}

function workSeconds(chunk: Chunk, work: WorkKind): number {
  return work === 'forward' || work === 'backward' ? chunk[work] : chunk.halves[work];
}

/** Of chunks that are known. Two that lie opposite have as many messages. */
function pairsOf(chunks: readonly Chunk[], busy: number): PlayedSeconds['pairs'] {
  const { pair } = bothWaysSeconds(chunks, false);
  const last = chunks.length - 1;
  return { works: pair.map((seconds, at) => seconds + (at < last ? 2 * busy : 0)), busy };
}
