// The ranges that take a whole tensor.
import type { Range } from '../src/checkpoint/ranges.ts';

export const fullRanges = (shape: readonly number[]): Range[] => shape.map((size) => [0, size]);
