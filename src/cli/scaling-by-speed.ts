// What `scale --speeds` compares: layouts with as much work on every rank, and with work by speed.
import { availableParallelism } from 'node:os';
import type { AbortSignalLike } from '../abort-signal.ts';
import { fail, option } from '../errors.ts';
import { worldSize } from '../mesh/mesh.ts';
import type { Precision } from '../program/onnx-builder.ts';
import { machineRates } from '../runtime/machine-rates.ts';
import type { StepSettings } from '../step/settings.ts';
import { divide } from '../train/division.ts';
import type { OptionValues } from './options.ts';
import type { Candidate } from './scaling-runs.ts';

type Values = OptionValues<'speeds' | 'maxRanks' | 'weak'>;

/** @throws OPTION_INVALID beside what says how many ranks there are in another way */
export async function speedsToCompare(
  values: Values,
  precision: Precision,
  signal: AbortSignalLike,
): Promise<readonly number[]> {
  const other = (['maxRanks', 'weak'] as const).find((key) => values[key] !== undefined);
  if (other)
    fail('OPTION_INVALID', {
      option: option('speeds'),
      problem: `it cannot be compared beside ${option(other)}`,
      fix: 'leave one of the two out',
    });
  if (values.speeds !== 'measure') return values.speeds!;
  return (await machineRates({ ranks: Math.max(2, availableParallelism()), precision, signal })).together;
}

/** A layout of as many ranks as there are speeds, and the same with its work by speed where that is another. */
export function alikeAndBySpeed(
  candidate: Candidate,
  speeds: readonly number[],
  step: Pick<StepSettings, 'config' | 'seqLen' | 'precision'>,
  given: number | undefined,
): Candidate[] {
  const { layout, globalBatch } = candidate;
  if (worldSize(layout) !== speeds.length) return [];
  const { notes, ...division } = divide({ ...step, layout, globalBatch, microBatch: { given }, speeds });
  if (division.layout === layout && !division.shares) return [candidate];
  return [candidate, { ...candidate, microBatch: division.microBatch, division, because: notes.join('; ') }];
}
