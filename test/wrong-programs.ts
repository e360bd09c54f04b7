// Programs with a mistake in what they say to other ranks: how each is written, and what its refusal must name.
import { wrongCollectives } from './wrong-programs/collectives.ts';
import { wrongExperts } from './wrong-programs/experts.ts';
import { wrongGradients } from './wrong-programs/gradients.ts';
import { wrongParts } from './wrong-programs/parts.ts';
import type { Wrong } from './wrong-programs/program.ts';
import { wrongSlices } from './wrong-programs/slices.ts';
import { wrongSums } from './wrong-programs/sums.ts';

export const wrongPrograms: readonly Wrong[] = [
  ...wrongSums,
  ...wrongCollectives,
  ...wrongSlices,
  ...wrongParts,
  ...wrongExperts,
  ...wrongGradients,
];
