// How fast a device goes when it does little else: of its highest clocks, what its power allows for seconds on end.
import type { Architecture, Device } from '../hardware/device.ts';
import type { ProductRate } from '../hardware/number-format.ts';

interface Kept {
  /** Of the rate that short measurements find, by the width of products. */
  readonly wide: number;
  readonly narrow: number;
  readonly watts: number;
}

/**
 * By architecture, of a device of `watts`. Set by hand to measured steps of training (ampere, hopper, blackwell), the others guessed. What a product takes of power grows faster than its rate, so that a
 * device of less power keeps about the square root of the share.
 */
export type Keeps = Readonly<Record<Architecture, Kept>>;

export const keeps: Keeps = {
  volta: { wide: 0.9, narrow: 0.9, watts: 300 },
  ampere: { wide: 0.92, narrow: 0.92, watts: 400 },
  ada: { wide: 0.85, narrow: 0.85, watts: 350 },
  hopper: { wide: 0.76, narrow: 0.76, watts: 700 },
  blackwell: { wide: 0.58, narrow: 0.68, watts: 1000 },
  'blackwell-ultra': { wide: 0.58, narrow: 0.68, watts: 1000 },
  'blackwell-rtx': { wide: 0.85, narrow: 0.85, watts: 600 },
  cdna3: { wide: 0.8, narrow: 0.8, watts: 750 },
  tpu: { wide: 0.95, narrow: 0.95, watts: 300 },
  cpu: { wide: 1, narrow: 1, watts: 200 },
};

/** `rate`: of the products that it does most; of 16 bits unless given. */
export function sustainedShare({ architecture, watts }: Device, rate: ProductRate = 'bf16', of: Keeps = keeps): number {
  const { wide, narrow, watts: usual } = of[architecture];
  const share = rate === 'fp8' || rate === 'int8' || rate === 'fp4' ? narrow : wide;
  return Math.min(1, share * Math.sqrt((watts ?? usual) / usual));
}
