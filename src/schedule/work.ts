// Short ways to write work down, for the generators.
import type { Work } from './schedule.ts';

export const forward = (microbatch: number, chunk = 0): Work => ({ kind: 'forward', microbatch, chunk });
export const backward = (microbatch: number, chunk = 0): Work => ({ kind: 'backward', microbatch, chunk });
export const inputGradient = (microbatch: number, chunk = 0): Work => ({ kind: 'inputGradient', microbatch, chunk });
export const weightGradient = (microbatch: number, chunk = 0): Work => ({ kind: 'weightGradient', microbatch, chunk });

/** 0, 1, ..., count - 1. */
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
