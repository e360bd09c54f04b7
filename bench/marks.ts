// What the benchmarks must show: every bound is here, and a run says of each whether it is met.

/** Bounds of a figure, themselves allowed. */
export interface Bounds {
  readonly least?: number;
  readonly most?: number;
}

const within = (share: number): Bounds => ({ least: 1 - share, most: 1 + share });

export const marks = {
  /** Model FLOP/s over those of bare MatMul, by vocabulary. */
  oneRank: {
    '320 tokens': { least: 0.8 },
    '32,000 tokens': { least: 0.7 },
  },
  /** Speedup over what the layout allows. */
  twoRanks: {
    'dp=2': { least: 0.95 },
    'dp=2,zero=1': { least: 0.95 },
    'dp=2,zero=3': { least: 0.88 },
    'tp=2,sp': { least: 0.95 },
    'pp=2': { least: 0.95 },
  },
  /** Speedup of a long sequence over ranks. */
  context: {
    'cp=2': { least: 0.9 },
    'cp=2,cpMode=ulysses': { least: 0.9 },
  },
  /** Speedup of a mixture of experts over ranks. */
  experts: { 'ep=2': { least: 0.85 } },
  /** FLOP/s of experts' products over those of bare MatMul of their sizes. */
  expertProducts: { 'one rank': { least: 0.7 }, 'ep=2': { least: 0.7 } },
  /** Of a step's time. */
  dispatch: { 'dispatch and combine': { most: 0.1 } },
  /** Time of a step with packed documents balanced by cost over by count. */
  balance: {
    'dp=2': { most: 0.8 },
    'cp=2': { most: 0.8 },
  },
  /** Time of a step with work by speed over as much on every rank, where one of two ranks has half the speed; ideally 2/3. */
  uneven: {
    'dp=2': { most: 0.85 },
    'pp=2': { most: 0.85 },
  },
  /** Tokens a second over PyTorch's. */
  torch: {
    '320 tokens, 1 thread against one rank': { least: 1.1 },
    '320 tokens, 2 threads against dp=2': { least: 1.2 },
  },
  /** Open MPI's time over ours, by bytes. */
  allReduce: {
    '16 KB': { least: 1.6 },
    '32 KB': { least: 1.6 },
    '64 KB': { least: 1.6 },
    '256 KB': { least: 1.6 },
    '1 MB': { least: 1.6 },
    '4 MB': { least: 1.6 },
    '16 MB': { least: 1.6 },
  },
  /** Time of an exchange of rows in registered memory over a copy of as many bytes that the other has written, by bytes each way. */
  exchange: {
    '16 KB': { most: 4 },
    '64 KB': { most: 2.5 },
    '256 KB': { most: 1.6 },
    '1 MB': { most: 1.4 },
    '4 MB': { most: 1.25 },
    '16 MB': { most: 1.25 },
  },
  /** Idle share over that of the schedule played with the median times of its work. */
  bubbles: {
    'pp=2,schedule=gpipe': within(0.1),
    'pp=2': within(0.1),
    'pp=2,virtual=2': within(0.1),
    'pp=2,schedule=zb-h1': within(0.1),
  },
  /** Idle time of one over that of the other. */
  idle: {
    'zb-h1 over interleaved': { most: 1 },
    'interleaved over 1f1b': { most: 1 },
  },
  long: {
    'most resident, in GB': { most: 6 },
    'growth of memory over growth of tokens': { most: 1 },
    'growth of time over growth of FLOPs': { most: 1.2 },
    'packed documents over sequences of their own': { most: 1.3 },
  },
  /** Bytes that replicas send each other in a step when they meet every 10, over those when they sum gradients at every step. */
  localSgd: { 'dp=2': { most: 0.101 }, 'dp=4': { most: 0.101 }, 'tp=2,dp=2': { most: 0.101 } },
  /** Measured growth of resident memory over the predicted one. */
  resident: within(0.1),
  /** What a checkpoint adds to the steps beside which it is written, over a step. */
  saving: { 'tp=1': { most: 0.05 }, 'dp=2': { most: 0.05 } },
  /** Predicted time of a step over the measured one, of this project's own runtime on two ranks. */
  local: {
    'dp=2': within(0.1),
    'dp=2,zero=1': within(0.1),
    'dp=2,zero=3': within(0.1),
    'tp=2': within(0.1),
    'tp=2,sp,recompute=full': within(0.1),
    'pp=2': within(0.1),
    'pp=2,virtual=2': within(0.1),
    'pp=2,schedule=zb-h1': within(0.1),
    'cp=2': within(0.1),
    'cp=2,cpMode=ulysses,recompute=selective': within(0.1),
    'ep=2': within(0.1),
  },
  /** Layouts of which bytes or FLOPs are others than predicted. */
  localCounts: { most: 0 },
  /** Predicted peak memory over the measured one. */
  localMemory: within(0.05),
  memory: { 'buffers allocated over the plan': within(0.05) },
  /** Of Llama 3.1 405B on 16,384 H100. */
  plan: {
    'seconds of the processor, a process just begun': { most: 1 },
    'layouts judged a second': { least: 100_000 },
    'layouts of a random sample that are better than the best': { most: 0 },
  },
  /** CPU time of building a rank's step, in ms. */
  build: { most: 50 },
} as const satisfies Record<string, Bounds | Record<string, Bounds>>;

export interface Verdict {
  readonly name: string;
  readonly bounds: Bounds;
  /** Missing: not measured, and so not judged. */
  readonly figure?: number | undefined;
}

/** Each of these marks, with its figure. */
export const judge = <Name extends string>(
  bounds: Readonly<Record<Name, Bounds>>,
  figureOf: (name: Name) => number | undefined,
): Verdict[] => (Object.keys(bounds) as Name[]).map((name) => ({ name, bounds: bounds[name], figure: figureOf(name) }));

export const words = { met: 'met', missed: 'MISSED', notMeasured: 'not measured' } as const;

/** What is no number meets nothing. */
function verdictOf({ figure, bounds: { least, most } }: Verdict): string {
  if (figure === undefined) return words.notMeasured;
  const { NEGATIVE_INFINITY, POSITIVE_INFINITY } = Number;
  return figure >= (least ?? NEGATIVE_INFINITY) && figure <= (most ?? POSITIVE_INFINITY) ? words.met : words.missed;
}

function boundsText({ least, most }: Bounds): string {
  if (least !== undefined && most !== undefined) return `${least} to ${most}`;
  return least === undefined ? `at most ${most}` : `at least ${least}`;
}

/** A line a mark; a process in which one was missed ends with status 1. */
export function printVerdicts(verdicts: readonly Verdict[]): void {
  for (const verdict of verdicts) {
    const { name, bounds, figure } = verdict;
    const word = verdictOf(verdict);
    const shown = figure === undefined ? '' : `${Number(figure.toPrecision(4))}, `;
    console.log(`${word}: ${name}: ${shown}${boundsText(bounds)}`);
    if (word === words.missed) process.exitCode = 1;
  }
}
