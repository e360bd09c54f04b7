// What kernels and collectives cost, by the fitted models.
import type { CostModel } from '../training/costs.ts';
import { talkSeconds } from './collectives.ts';
import { kernelSeconds } from './kernels.ts';

export const fittedCosts: CostModel = { kernelSeconds, talkSeconds };
