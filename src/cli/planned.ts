// What a prediction is of, training or serving: which options belong to which.
import { option } from '../errors.ts';
import { refuse } from '../train/refuse.ts';
import type { OptionName } from './options.ts';

const ofTraining = [
  'seqLen',
  'globalBatch',
  'microBatch',
  'offload',
  'software',
  'tokens',
  'deadline',
] as const satisfies OptionName[];
const ofServing = [
  'inputTokens',
  'outputTokens',
  'concurrency',
  'rate',
  'ttft',
  'tpot',
  'cache',
  'engine',
  'speculate',
] as const satisfies OptionName[];

/** A claim may say of which sequences, steps and software it is. */
const besideClaim = ofTraining.filter((key) => key !== 'seqLen' && key !== 'globalBatch' && key !== 'software');

type Given = { readonly [name in OptionName]?: unknown };

/** @throws OPTION_INVALID for options that contradict each other */
export function plannedOf(values: Given): 'training' | 'serving' | 'claim' {
  const given = (keys: readonly OptionName[]) => keys.find((key) => values[key] !== undefined);
  if (values.claim !== undefined) {
    const foreign = given(['train', 'serve', 'least', 'report', ...besideClaim, ...ofServing]);
    if (foreign !== undefined) refuse(foreign, `it is given with ${option('claim')}`, 'leave one of the two out');
    return 'claim';
  }
  if (values.train && values.serve) refuse('serve', `it is given with ${option('train')}`, 'give one of the two');
  const serving = values.serve === true;
  const foreign = given(serving ? ofTraining : ofServing);
  if (foreign !== undefined)
    refuse(
      foreign,
      `it is an option of ${serving ? 'training' : 'serving'}`,
      serving ? `leave it out, or ${option('serve')}` : `leave it out, or add ${option('serve')}`,
    );
  return serving ? 'serving' : 'training';
}
