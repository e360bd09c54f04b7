// From what was recorded to what is summed up, in bytes: equal kernels and calls once, with how often they are.
import type { KernelShape } from '../../program/kernel-shape.ts';
import { alignment } from '../../program/lives.ts';
import { once } from '../../step/once.ts';
import type { Activation, NumberRole, Recording, Step } from './recorder.ts';
import type { CountedTalk, LiveProfile, RunSummary, Widths } from './summary.ts';

/** Bytes of a number. */
export function widthOf(role: NumberRole, widths: Widths): number {
  switch (role) {
    case 'activation':
      return widths.activations;
    case 'parameter':
    case 'synchronised':
      return widths.parameters;
    case 'gradient':
      return widths.gradients;
    case 'firstMoment':
    case 'secondMoment':
    case 'outerMomentum':
      return widths.moments;
    case 'int':
      return 4;
    case 'double':
      return 8;
  }
}

export const widthsKey = ({ activations, parameters, gradients, moments, master }: Widths): string =>
  `${activations} ${parameters} ${gradients} ${moments} ${master}`;

export const bytesOf = ({ numbers, role }: Activation, widths: Widths): number => numbers * widthOf(role, widths);

/** Steps of a recording, and what is alive meanwhile. */
export function summarise(steps: readonly Step[], widths: Widths, live: LiveProfile): RunSummary {
  const kernels = new Map<string, { kernel: KernelShape; count: number; site: string }>();
  const talk = new Map<string, Omit<CountedTalk, 'count'> & { count: number }>();
  let flops = 0;
  for (const step of steps) {
    flops += step.count * step.flops;
    for (const recorded of step.kernels) {
      const kernel = recorded.kind === 'state' ? memoryOf(recorded, widths) : recorded;
      const key = keyOf(kernel);
      const known = kernels.get(key);
      if (known) known.count += step.count;
      else kernels.set(key, { kernel, count: step.count, site: step.site });
    }
    if (!step.talk) continue;
    const { axis, ranks, call } = step.talk;
    const bytes = bytesOf(step.talk, widths);
    const key = `${axis} ${ranks} ${call} ${bytes}`;
    const known = talk.get(key);
    if (known) known.count += step.count;
    else talk.set(key, { axis, ranks, call, bytes, count: step.count, site: step.site });
  }
  return { kernels: [...kernels.values()], talk: [...talk.values()], flops, live };
}

const keyOf = (kernel: KernelShape): string => {
  const known = keys.get(kernel) ?? Object.values(kernel).join();
  keys.set(kernel, known);
  return known;
};
const keys = new WeakMap<KernelShape, string>();

type StateKernel = Extract<Step['kernels'][number], { readonly kind: 'state' }>;

/** Numbers of the state in bytes; an optimizer that works on copies reads and writes those as well. */
function memoryOf({ gone, updates, op }: StateKernel, widths: Widths): KernelShape {
  let bytes = updates ? (gone.firstMoment ?? 0) * widths.master : 0;
  for (const [role, numbers] of Object.entries(gone))
    if (role !== 'activation') bytes += numbers * widthOf(role as NumberRole, widths);
  return { kind: 'memory', floats: gone.activation ?? 0, bytes, op };
}

export interface Bounds {
  /** Activations that are alive before the first step. */
  readonly given: readonly number[];
  /** Those that are alive after the last. */
  readonly left: readonly number[];
}

/** What is alive in each stretch of steps, which end where `ends` says: every activation from the step that touches it first to the last. */
export function profilesOf(
  { steps, activations }: Pick<Recording, 'steps' | 'activations'>,
  ends: readonly number[],
  widths: Widths,
  { given, left }: Bounds,
): LiveProfile[] {
  const first = new Int32Array(activations.length).fill(-1);
  const last = new Int32Array(activations.length);
  for (let at = 0; at < steps.length; at++)
    for (const root of steps[at]!.touched) {
      if (first[root]! < 0) first[root] = at;
      last[root] = at;
    }
  const begun = new Float64Array(steps.length);
  const ended = new Float64Array(steps.length);
  for (let root = 0; root < activations.length; root++) {
    if (first[root]! < 0) continue;
    const size = Math.ceil(bytesOf(activations[root]!, widths) / alignment) * alignment;
    if (!given.includes(root)) begun[first[root]!]! += size;
    if (!left.includes(root)) ended[last[root]!]! += size;
  }
  let at = 0;
  return ends.map((end) => {
    let [peak, net] = [0, 0];
    for (; at < end; at++) {
      net += begun[at]!;
      peak = Math.max(peak, net);
      net -= ended[at]!;
    }
    return { peak, net };
  });
}

/** All of several runs, each so many times. What they do is listed when it is asked for. */
export function sumOf(
  all: readonly { readonly run: RunSummary; readonly count: number }[],
  live: LiveProfile,
): RunSummary {
  const counted = <T extends { readonly count: number }>(of: (run: RunSummary) => readonly T[]) =>
    once((): T[] =>
      all.flatMap(({ run, count }) =>
        of(run).map((each) => (count === 1 ? each : { ...each, count: each.count * count })),
      ),
    );
  const [kernels, talk] = [counted((run) => run.kernels), counted((run) => run.talk)];
  return {
    get kernels() {
      return kernels();
    },
    get talk() {
      return talk();
    },
    flops: all.reduce((sum, { run, count }) => sum + run.flops * count, 0),
    live,
  };
}
