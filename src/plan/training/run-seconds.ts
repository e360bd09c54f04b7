// Seconds of one run of a program on one rank: its kernels, and of its collectives what no kernel hides.
import { axesAlong } from '../hardware/group-spread.ts';
import type { CountedTalk, RunSummary } from '../summary/summary.ts';
import type { TrainingCosts } from './costs.ts';
import type { Software } from './scenario.ts';
import { trainingParameters } from './training-parameters.ts';

/** Talk by axis: that of data axes other than a mixture's is `dp`. */
export interface RunSeconds {
  readonly compute: number;
  /** Of the host, beyond what the device is busy. */
  readonly launches: number;
  readonly tp: number;
  readonly cp: number;
  readonly ep: number;
  readonly dp: number;
}

export const noSeconds: RunSeconds = { compute: 0, launches: 0, tp: 0, cp: 0, ep: 0, dp: 0 };

export const allSeconds = ({ compute, launches, tp, cp, ep, dp }: RunSeconds): number =>
  compute + launches + tp + cp + ep + dp;

export const addSeconds = (a: RunSeconds, b: RunSeconds): RunSeconds => ({
  compute: a.compute + b.compute,
  launches: a.launches + b.launches,
  tp: a.tp + b.tp,
  cp: a.cp + b.cp,
  ep: a.ep + b.ep,
  dp: a.dp + b.dp,
});

/** Whose seconds a collective's are. An all-to-all is of experts, or of heads and sequence; a gather over data axes is of parameters. */
function causeOf({ axis, call }: CountedTalk): keyof Omit<RunSeconds, 'compute' | 'launches'> {
  const along = axesAlong(axis);
  if (along.length > 1 || along[0] === 'dp') return along.includes('tp') && !along.includes('dp') ? 'tp' : 'dp';
  if (axis === 'ep') return call === 'allToAll' || call === 'allToAllV' ? 'ep' : 'dp';
  if (axis === 'cp') return 'cp';
  return axis === 'tp' ? 'tp' : 'dp';
}

/** `hidesData`: gathers of parameters and scatters of gradients run beside the kernels (of the parts before and after). */
export function runSeconds(run: RunSummary, costs: TrainingCosts, software: Software): RunSeconds {
  const { hiddenTensor, hiddenExperts, slowedBeside, launchSeconds } = trainingParameters;
  let compute = 0;
  let launched = 0;
  let attention = 0;
  for (const { kernel, count } of run.kernels) {
    const seconds = count * costs.kernel(kernel);
    compute += seconds;
    launched += count;
    if (kernel.kind === 'attention') attention += seconds;
  }
  const talk = { tp: 0, cp: 0, ep: 0, dp: 0 };
  let shifted = 0;
  for (const each of run.talk) {
    const seconds = each.count * costs.talk(each);
    const cause = causeOf(each);
    if (cause === 'cp' && each.call === 'ringShift') shifted += seconds;
    else talk[cause] += seconds;
  }
  // A ring's next keys are on their way while attention sees those before them.
  const hidden = {
    tp: software.overlapsTensor ? hiddenTensor * talk.tp : 0,
    cp: Math.min(shifted, attention),
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
  };
  return { ...device, launches: waiting(allSeconds(device), launched * launchSeconds[software.launches]) };
}

/**
 * The host runs ahead of the device, until it is what the device waits for. Where both take about as long, now the one waits, now the
 * other, as large kernels and small ones take turns.
 */
function waiting(device: number, host: number): number {
  const { takesTurns } = trainingParameters;
  const longer = Math.max(device, host);
  if (longer === 0) return 0;
  const shorter = Math.min(device, host) / longer;
  return longer * (1 + shorter ** takesTurns) ** (1 / takesTurns) - device;
}
