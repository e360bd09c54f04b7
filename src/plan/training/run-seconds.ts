// Seconds of one run of a program on one rank: its kernels, and of its collectives what no kernel hides.
import type { RecomputePolicy } from '../../mesh/recompute.ts';
import { axesAlong } from '../hardware/group-spread.ts';
import type { Software } from '../software/software.ts';
import type { ChunkSummary, CountedTalk, RunSummary, WorkKind } from '../summary/summary.ts';
import type { TrainingCosts } from './costs.ts';

/** Talk by axis: that of data axes other than a mixture's is `dp`. */
export interface RunSeconds {
  readonly compute: number;
  /** Of the host, beyond what the device is busy. */
  readonly launches: number;
  readonly tp: number;
  readonly cp: number;
  readonly ep: number;
  readonly dp: number;
  /** Of copies to the host's memory and back. */
  readonly offload: number;
}

export const noSeconds: RunSeconds = { compute: 0, launches: 0, tp: 0, cp: 0, ep: 0, dp: 0, offload: 0 };

export const allSeconds = ({ compute, launches, tp, cp, ep, dp, offload }: RunSeconds): number =>
  compute + launches + tp + cp + ep + dp + offload;

export const addSeconds = (a: RunSeconds, b: RunSeconds): RunSeconds => ({
  compute: a.compute + b.compute,
  launches: a.launches + b.launches,
  tp: a.tp + b.tp,
  cp: a.cp + b.cp,
  ep: a.ep + b.ep,
  dp: a.dp + b.dp,
  offload: a.offload + b.offload,
});

/** Whose seconds a collective's are. An all-to-all is of experts, or of heads and sequence; a gather over data axes is of parameters. */
function causeOf({ axis, call }: CountedTalk): keyof Omit<RunSeconds, 'compute' | 'launches' | 'offload'> {
  const along = axesAlong(axis);
  if (along.length > 1 || along[0] === 'dp') return along.includes('tp') && !along.includes('dp') ? 'tp' : 'dp';
  if (axis === 'ep') return call === 'allToAll' || call === 'allToAllV' ? 'ep' : 'dp';
  if (axis === 'cp') return 'cp';
  return axis === 'tp' ? 'tp' : 'dp';
}

export const timesSeconds = (of: RunSeconds, count: number): RunSeconds => ({
  compute: of.compute * count,
  launches: of.launches * count,
  tp: of.tp * count,
  cp: of.cp * count,
  ep: of.ep * count,
  dp: of.dp * count,
  offload: of.offload * count,
});

/** Of one microbatch in a chunk: part after part, as the host hides nothing of one behind the kernels of another that it has launched before. */
export const chunkSeconds = (
  { parts }: ChunkSummary,
  kind: WorkKind,
  costs: TrainingCosts,
  software: Software,
): RunSeconds => sumOfParts(parts, (part) => runSeconds(part[kind], costs, software, part.policy));

export const sumOfParts = <P>(
  parts: readonly { readonly part: P; readonly count: number }[],
  secondsOf: (part: P) => RunSeconds,
): RunSeconds =>
  parts.reduce((sum, { part, count }) => addSeconds(sum, timesSeconds(secondsOf(part), count)), noSeconds);

/** What one run adds up to before anything of it is hidden: numbers, that add up over runs. Of talk, `shifted` is a ring's over cp. */
export interface RunSums {
  readonly compute: number;
  /** Of `compute`. */
  readonly attention: number;
  /** Launches of kernels and collectives. */
  readonly launched: number;
  readonly tp: number;
  readonly cp: number;
  readonly shifted: number;
  readonly ep: number;
  readonly dp: number;
}

/** Gathers of parameters and scatters of gradients run beside the kernels (of the parts before and after). */
export function runSeconds(
  { kernels, talk }: RunSummary,
  costs: TrainingCosts,
  software: Software,
  policy: RecomputePolicy,
): RunSeconds {
  let [compute, attention, launched] = [0, 0, 0];
  for (const { kernel, count } of kernels) {
    const seconds = count * costs.kernel(kernel, policy);
    compute += seconds;
    launched += count * costs.launches(kernel, policy);
    if (kernel.kind === 'attention') attention += seconds;
  }
  const sums = withTalk({ ...noSums, compute, attention, launched }, talk, costs, software);
  return shownSeconds(sums, costs.parameters, software);
}

export const noSums: RunSums = { compute: 0, attention: 0, launched: 0, tp: 0, cp: 0, shifted: 0, ep: 0, dp: 0 };

export const addSums = (a: RunSums, b: RunSums): RunSums => ({
  compute: a.compute + b.compute,
  attention: a.attention + b.attention,
  launched: a.launched + b.launched,
  tp: a.tp + b.tp,
  cp: a.cp + b.cp,
  shifted: a.shifted + b.shifted,
  ep: a.ep + b.ep,
  dp: a.dp + b.dp,
});

export function withTalk(
  sums: RunSums,
  talk: readonly CountedTalk[],
  costs: Pick<TrainingCosts, 'talk' | 'parameters'>,
  software: Software,
): RunSums {
  const { collectiveLaunches, awaitedSeconds } = costs.parameters;
  const sum = { ...sums };
  for (const each of talk) {
    const cause = causeOf(each);
    sum.launched += each.count * collectiveLaunches;
    sum[cause === 'cp' && each.call === 'ringShift' ? 'shifted' : cause] +=
      each.count * (costs.talk(each) + (cause === 'tp' && software.awaitsRanks ? awaitedSeconds : 0));
  }
  return sum;
}

export function shownSeconds(
  { compute, attention, launched, shifted, ...talk }: RunSums,
  parameters: TrainingCosts['parameters'],
  software: Software,
): RunSeconds {
  const { hiddenTensor, hiddenExperts, slowedBeside, launchSeconds, takesTurns, takesTurnsAwaiting } = parameters;
  const hidden = {
    tp: software.overlapsTensor ? hiddenTensor * talk.tp : 0,
    cp: software.overlapsRing ? Math.min(shifted, attention) : 0,
    ep: software.overlapsExperts ? hiddenExperts * talk.ep : 0,
    dp: software.overlapsParameters ? Math.min(talk.dp, compute) : 0,
  };
  const device = {
    compute: compute + slowedBeside * (hidden.tp + hidden.cp + hidden.ep + hidden.dp),
    launches: 0,
    tp: talk.tp - hidden.tp,
    cp: talk.cp + shifted - hidden.cp,
    ep: talk.ep - hidden.ep,
    dp: talk.dp - hidden.dp,
    offload: 0,
  };
  const host = launched * launchSeconds[software.launches];
  // Rows for experts are counted on the device, and the host has to know how many.
  const turns = software.experts === 'looped' && talk.ep > 0 ? takesTurnsAwaiting : takesTurns;
  // Where each kernel is awaited before the next is launched, the device hides nothing of that.
  return {
    ...device,
    launches: software.launches === 'awaited' ? host : waiting(allSeconds(device), host, turns),
  };
}

/**
 * The host runs ahead of the device, until it is what the device waits for. Where both take about as long, now the one waits, now the
 * other, as large kernels and small ones take turns.
 */
function waiting(device: number, host: number, takesTurns: number): number {
  const longer = Math.max(device, host);
  if (longer === 0) return 0;
  const shorter = Math.min(device, host) / longer;
  return longer * (1 + shorter ** takesTurns) ** (1 / takesTurns) - device;
}
