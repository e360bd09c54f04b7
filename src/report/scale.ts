// Where values lie on an axis, and the round ones among them.

export interface Scale {
  /** 0 at the begin of the axis, 1 at its end. */
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** From a tick to a tick around all values. `count`: about so many ticks, a round distance apart. */
export function linearScale(min: number, max: number, count = 5): Scale {
  const step = roundStep((max - min) / count);
  const first = Math.floor(min / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(max / step - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return { at: (value) => (value / step - first) / (last - first), ticks };
}

/** Equal factors are equally far apart. */
export function logScale(min: number, max: number, ticks: readonly number[]): Scale {
  const range = Math.log(max / min);
  return { at: (value) => (range === 0 ? 0.5 : Math.log(value / min) / range), ticks };
}

/** Powers of two times `min` up to `max`, every other one and so on where there were more than `most`. */
export function doublings(min: number, max: number, most: number): number[] {
  const count = Math.floor(Math.log2(max / min) + 1e-9) + 1;
  const every = Math.ceil(count / most);
  return Array.from({ length: Math.ceil(count / every) }, (_, i) => min * 2 ** (i * every));
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
function roundStep(least: number): number {
  if (!(least > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least * (1 - 1e-9)) ?? 10);
}
