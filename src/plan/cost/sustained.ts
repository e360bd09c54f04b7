// How fast a device goes when it does little else: of its highest clocks, what its power allows for seconds on end.
import type { Architecture, Device } from '../hardware/device.ts';

/**
 * By architecture, of the rate that short measurements find; of a device of `watts`. Fitted to steps of training. What a product takes of
 * power grows faster than its rate, so that a device of less power keeps about the square root of the share.
 */
const keeps: Readonly<Record<Architecture, { readonly share: number; readonly watts: number }>> = {
  volta: { share: 0.9, watts: 300 },
  ampere: { share: 0.9, watts: 400 },
  ada: { share: 0.85, watts: 350 },
  hopper: { share: 0.76, watts: 700 },
  blackwell: { share: 0.66, watts: 1000 },
  'blackwell-ultra': { share: 0.7, watts: 1400 },
  'blackwell-rtx': { share: 0.85, watts: 600 },
  cdna3: { share: 0.8, watts: 750 },
  tpu: { share: 0.95, watts: 300 },
  cpu: { share: 1, watts: 200 },
};

export function sustainedShare({ architecture, watts }: Device): number {
  const { share, watts: usual } = keeps[architecture];
  return Math.min(1, share * Math.sqrt(watts / usual));
}
