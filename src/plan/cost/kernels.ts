// Seconds of a kernel on a device: what its multiprocessors and its memory can do at best, with the shares of it that were measured.
import { fail } from '../../errors.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { Device } from '../hardware/device.ts';
import { formatBytes, type NumberFormat, rateOf } from '../hardware/number-format.ts';
import { kernelParameters } from './architectures.ts';
import { attentionSeconds } from './attention.ts';
import type { KernelFormats } from './cost-model.ts';
import type { KernelParameters } from './kernel-parameters.ts';
import { groupedSeconds, matmulSeconds, movedSeconds } from './products.ts';

/** What a kernel's seconds depend on besides its device. */
export interface KernelConditions {
  /** Of its rate of products at the highest clocks, the share that a device keeps when it does little else for seconds (sustained.ts). */
  readonly sustained: number;
  /** Of the rate of one product, that of a product for each of many groups; undefined: as measured of inference engines. */
  readonly groupedShare?: number;
}

const burst: KernelConditions = { sustained: 1 };

/**
 * Seconds of one kernel, launched among others, on a device whose clocks are at their highest: as they are for some milliseconds.
 * Where products are narrower than activations, making one operand narrow is part of it (of a weight's gradient it is not: both are there).
 * Weights are widened as they are read. Keys and values are of `attention`'s format; their products are no faster than bf16's.
 * Throws DEVICE_FORMAT where the device has no rate for the format of products.
 */
export const kernelSeconds = (
  kernel: KernelShape,
  device: Device,
  formats: KernelFormats,
  conditions: KernelConditions = burst,
): number => secondsWith(kernelParameters[device.architecture], kernel, device, formats, conditions);

/** With parameters other than the architecture's: those that are being fitted. */
export function secondsWith(
  parameters: KernelParameters,
  kernel: KernelShape,
  device: Device,
  formats: KernelFormats,
  { sustained, groupedShare }: KernelConditions,
): number {
  switch (kernel.kind) {
    case 'matmul':
      return matmulSeconds(kernel, device, formats, parameters, sustained * peak(device, formats.products));
    case 'grouped':
      return groupedSeconds(
        kernel,
        device,
        formats,
        parameters,
        sustained * peak(device, formats.products),
        groupedShare,
      );
    case 'attention': {
      const { activations, attention = activations } = formats;
      const bytes = formatBytes[activations];
      const flopsPerSecond = sustained * peak(device, formatBytes[attention] < 2 ? 'bf16' : attention);
      return attentionSeconds(kernel, device, bytes, formatBytes[attention], parameters, flopsPerSecond);
    }
    case 'memory':
      return movedSeconds(kernel.floats * formatBytes[formats.activations] + kernel.bytes, device, parameters);
  }
}

function peak({ name, flopsPerSecond }: Device, format: NumberFormat): number {
  const rate = flopsPerSecond[rateOf[format]];
  return rate ?? fail('DEVICE_FORMAT', { device: name, format, rates: Object.keys(flopsPerSecond) });
}
