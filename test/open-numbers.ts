// Numbers that a safetensors file holds.
import { openSafetensors, type SafetensorsFile } from '../src/checkpoint/safetensors.ts';
import { fullRanges } from './full-ranges.ts';

export interface OpenedNumbers {
  readonly file: SafetensorsFile;
  numbers(tensor: string): Float64Array;
  integers(tensor: string): number[];
}

export function openNumbers(path: string): OpenedNumbers {
  const file = openSafetensors(path);
  const read = <T extends Float64Array | BigInt64Array>(tensor: string, make: (size: number) => T): T => {
    const { shape } = file.tensors.get(tensor)!;
    const out = make(shape.reduce((product, size) => product * size, 1));
    file.readSlice(tensor, fullRanges(shape), out);
    return out;
  };
  return {
    file,
    numbers: (tensor) => read(tensor, (size) => new Float64Array(size)),
    integers: (tensor) =>
      Array.from(
        read(tensor, (size) => new BigInt64Array(size)),
        Number,
      ),
  };
}
