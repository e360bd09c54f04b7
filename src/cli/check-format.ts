// The formats that options name, and whether a device takes products in one.
import { option } from '../errors.ts';
import type { Device } from '../plan/hardware/device.ts';
import { type NumberFormat, rateOf } from '../plan/hardware/number-format.ts';
import { refuse } from '../train/refuse.ts';

export const trainingProducts = ['bf16', 'fp16', 'fp8', 'mxfp8', 'nvfp4', 'fp32', 'tf32'] as const;

/** What weights of serving may be. Products are taken in the same where the device can, else in what activations are. */
export const servedWeights = ['bf16', 'fp16', 'fp8', 'int8', 'nvfp4', 'mxfp4', 'int4', 'fp32'] as const;
export const servedCaches = ['bf16', 'fp16', 'fp8', 'fp32'] as const;

/** Devices that scale operands by blocks (OCP MX) take products of four bits too. */
const isThere = ({ flopsPerSecond }: Device, format: NumberFormat): boolean =>
  flopsPerSecond[rateOf[format]] !== undefined && (format !== 'mxfp8' || flopsPerSecond.fp4 !== undefined);

/** Of training. @throws OPTION_INVALID */
export function checkFormat(device: Device, products: NumberFormat): void {
  const { title } = device;
  if (!trainingProducts.some((format) => format === products))
    refuse(
      'products',
      `nobody trains with products in ${products}`,
      `use ${option('products')} ${trainingProducts.filter((format) => isThere(device, format))[0] ?? 'fp32'}`,
    );
  if (isThere(device, products)) return;
  const other = (['bf16', 'tf32', 'fp32', 'fp8'] as const).find((format) => isThere(device, format));
  refuse(
    'products',
    `${title} has no products in ${products}`,
    other ? `use ${option('products')} ${other}` : 'use another device',
  );
}
