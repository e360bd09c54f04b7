// Whether a device takes products in a format.
import { option } from '../errors.ts';
import type { Device } from '../plan/hardware/device.ts';
import { type NumberFormat, rateOf } from '../plan/hardware/number-format.ts';
import { refuse } from '../train/refuse.ts';

/** @throws OPTION_INVALID */
export function checkFormat({ title, flopsPerSecond }: Device, products: NumberFormat): void {
  const isThere = (format: NumberFormat): boolean => flopsPerSecond[rateOf[format]] !== undefined;
  if (isThere(products)) return;
  const other = (['bf16', 'tf32', 'fp32', 'fp8'] as const).find(isThere);
  refuse(
    'products',
    `${title} has no products in ${products}`,
    other ? `use ${option('products')} ${other}` : 'use another device',
  );
}
