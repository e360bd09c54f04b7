// The loops that ops of the finishing program name: see `Execution` in program/program.ts.
import { type AdamwAttrs, clipScale, optimizerNumbers } from '../../ops/finishing.ts';
import type { Numbers, Op } from '../../program/program.ts';
import { adamw, sumSquares } from './local.ts';
import type { Floats } from './local-kernels.ts';

type Kernel = (inputs: readonly Numbers[], outputs: readonly Numbers[], attrs: object) => void;

const kernels: ReadonlyMap<string, Kernel> = new Map<string, Kernel>([
  [
    'sumSquares',
    ([x], [out]) => {
      out![0] = sumSquares(x as Floats);
    },
  ],
  ['adamw', (inputs, _, attrs) => runAdamw(inputs, attrs as AdamwAttrs)],
]);

export function kernelOf({ name }: Op): Kernel {
  const kernel = kernels.get(name);
  if (!kernel) throw new Error(`there is no kernel ${name}`);
  return kernel;
}

/** In place: what decays and what does not take turns. */
function runAdamw(inputs: readonly Numbers[], { decayed }: AdamwAttrs): void {
  const [param, grad, firstMoment, secondMoment] = inputs.slice(0, 4) as [Floats, Floats, Floats, Floats];
  const { weightDecay, clipNorm, ...settings } = optimizerNumbers(inputs[5]!);
  const gradScale = clipScale(Math.sqrt(inputs[4]![0]!), clipNorm);
  const update = (start: number, end: number, decay: number): void => {
    if (start >= end) return;
    const part = (vector: Floats) => vector.subarray(start, end) as Floats;
    adamw({
      ...settings,
      gradScale,
      weightDecay: decay,
      param: part(param),
      grad: part(grad),
      firstMoment: part(firstMoment),
      secondMoment: part(secondMoment),
    });
  };
  let done = 0;
  for (const [start, end] of decayed) {
    update(done, start, 0);
    update(start, end, weightDecay);
    done = end;
  }
  update(done, param.length, 0);
}
