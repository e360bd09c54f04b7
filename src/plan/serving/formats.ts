// Formats of numbers by role, as a device can take products of them.
import type { KernelFormats } from '../cost/cost-model.ts';
import type { Device } from '../hardware/device.ts';
import { type NumberFormat, rateOf } from '../hardware/number-format.ts';
import type { ServingFormats } from './scenario.ts';

/** What the products of a layer are taken of, by whose weights they are. */
export interface RoleFormats {
  readonly weights: KernelFormats;
  readonly experts: KernelFormats;
  readonly attentionWeights: KernelFormats;
  /** Of the head, the router and attention itself. */
  readonly plain: KernelFormats;
}

/** Weights that are narrower than any product of the device are widened to activations when they are read. */
const productsOf = (weights: NumberFormat, { flopsPerSecond }: Device, activations: NumberFormat): NumberFormat =>
  weights === 'int4' || flopsPerSecond[rateOf[weights]] === undefined ? activations : weights;

export function roleFormats(formats: ServingFormats, device: Device): RoleFormats {
  const { weights, experts = weights, attentionWeights = weights, cache, activations } = formats;
  // What comes before a product makes its operand narrow on the way: engines join the two.
  const of = (format: NumberFormat): KernelFormats => {
    const products = productsOf(format, device, activations);
    return { products, activations: products, attention: cache, weights: format };
  };
  return { weights: of(weights), experts: of(experts), attentionWeights: of(attentionWeights), plain: of(activations) };
}
