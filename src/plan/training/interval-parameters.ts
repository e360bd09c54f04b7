// Written by tools/fit-intervals.ts: fitted to the errors of 1542 measured runs, of which it then holds 78 %; of the half
// that it was not fitted to 77 %, of sources that it was not fitted to 79 % on average.
import type { IntervalParameters } from './interval-shape.ts';

export const intervalParameters: IntervalParameters = {
  width: 0.055,
  factors: { mixture: 1.86, nodes: 1.11, narrow: 1.01, long: 0.879, blackwell: 0.832 },
  low: -1.99,
  high: 2.8,
  memory: [-0.0617, 0.131],
};
