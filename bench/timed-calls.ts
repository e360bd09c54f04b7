// How ranks time a call: samples that all of them start together.
import type { Group } from '../src/mesh/mesh.ts';
import type { Transport } from '../src/runtime/transport/transport.ts';

const warmUp = 5;

export interface Measured {
  readonly calls: number;
  readonly call: () => void;
  /** Writes the vectors anew before every call, as a step does; that takes no part in the time. */
  readonly rewrite?: () => void;
}

/** Microseconds a call, one number a sample; all ranks start every sample, or every call after a rewrite, together. */
export function measure(
  transport: Transport,
  { group, samples }: { readonly group: Group; readonly samples: number },
  { calls, call, rewrite }: Measured,
): number[] {
  const times: number[] = [];
  const [rounds, callsARound] = rewrite ? [calls, 1] : [1, calls];
  for (let sample = -warmUp; sample < samples; sample++) {
    let milliseconds = 0;
    for (let round = 0; round < rounds; round++) {
      rewrite?.();
      transport.barrier(group, 'before a sample');
      const start = performance.now();
      for (let i = 0; i < callsARound; i++) call();
      milliseconds += performance.now() - start;
    }
    if (sample >= 0) times.push((milliseconds * 1000) / calls);
  }
  return times;
}
