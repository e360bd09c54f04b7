// The token buffers of a program: what the parts of a rank's stage read of every microbatch.
import type { Part } from '../model/params.ts';
import type { ProgramBuilder } from './program-builder.ts';
import type { StepSettings } from './settings.ts';
import type { TokenBuffers } from './step.ts';

/** Where every sequence is one document, all microbatches share what says where tokens stand. */
export function tokenBuffers(
  builder: ProgramBuilder,
  parts: readonly Part[],
  { microBatch, seqLen, microbatches, packed }: StepSettings,
  withLoss: boolean,
): TokenBuffers[] {
  const has = (name: string) => parts.some((part) => part.name === name);
  const buffer = (what: string, dtype: 'int' | 'float' = 'int') => builder.own(what, [microBatch, seqLen], dtype);
  const places = (of: string) => ({ positions: buffer(`positions${of}`), documents: buffer(`documents${of}`) });
  const shared = packed ? undefined : places('');
  return Array.from(
    { length: microbatches },
    (_, m): TokenBuffers => ({
      ...(has('embedding') ? { ids: buffer(`ids ${m}`) } : {}),
      ...(shared ?? places(` ${m}`)),
      ...(has('head') && withLoss ? { targets: buffer(`targets ${m}`), weights: buffer(`weights ${m}`, 'float') } : {}),
    }),
  );
}
