// Initial weights: numbers that depend on the seed, the parameter and the global index alone, so every layout starts alike.
import { forEachRun } from '../checkpoint/ranges.ts';
import type { ParamSpec } from '../model/params.ts';
import { normalFill } from '../runtime/kernels/local.ts';
import type { Floats } from '../runtime/kernels/local-kernels.ts';
import type { DimRange } from '../state/pieces.ts';

/** Fills a box of a parameter, row-major. */
export function initialise(part: Floats, spec: ParamSpec, ranges: readonly DimRange[], seed: number): void {
  const key = keyOf(seed, spec.name);
  const fill = (numbers: Floats, start: number) => {
    if (spec.initial === 'ones') numbers.fill(1);
    else if (spec.initial === 'normal') normalFill(numbers, { start, key, std: spec.std });
    else numbers.fill(0);
  };
  forEachRun(spec.shape, ranges, (start, at, count) => fill(part.subarray(at, at + count), start));
}

/** The key of a parameter's random numbers: FNV-1a of its name in the low 32 bits, the seed (below 2^21) above. */
function keyOf(seed: number, name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return seed * 2 ** 32 + (hash >>> 0);
}
