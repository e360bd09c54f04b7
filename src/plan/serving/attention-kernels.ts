// Attention of one layer on one device: of written tokens over what is kept of their contexts, and of prompts.
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { Batch } from './batch.ts';
import type { AttentionForm } from './layer-forms.ts';
import type { ServingLayout } from './scenario.ts';

const whole = (count: number): number => Math.max(1, Math.round(count));

/** Tokens of `length` that one at its end looks at. */
const seen = (form: AttentionForm, length: number): number =>
  form.kind === 'grouped' && form.window !== undefined ? Math.min(length, form.window) : length;

export function attentionKernels(form: AttentionForm, batch: Batch, { tp, cp }: ServingLayout): KernelShape[] {
  const heads = whole(form.heads / tp);
  const kernels: KernelShape[] = [];
  if (batch.writing > 0) {
    const keys = whole(seen(form, batch.context) / cp);
    kernels.push({
      kind: 'attention',
      pass: 'forward',
      batch: whole(batch.writing),
      heads,
      ...writtenHeads(form, tp),
      queries: batch.queries,
      keys,
      scores: batch.queries * keys,
    });
  }
  if (batch.prompts > 0) {
    const queries = whole(batch.promptTokens / cp);
    const keys = batch.promptBefore + batch.promptTokens;
    kernels.push({
      kind: 'attention',
      pass: 'forward',
      batch: whole(batch.prompts),
      heads,
      ...readHeads(form, tp),
      queries,
      keys: whole(keys),
      scores: whole(promptScores(form, batch) / cp),
    });
  }
  return kernels;
}

/** Scores of one head of one prompt: each token looks at all before it, or at its window. */
function promptScores(form: AttentionForm, { promptTokens, promptBefore }: Batch): number {
  const last = promptBefore + promptTokens;
  const window = seen(form, last);
  // Of those that see less than a window, sums of 1, 2, ..; the others see all of it.
  const triangle = (length: number) => {
    const short = Math.min(length, window);
    return (short * (short + 1)) / 2 + (length - short) * window;
  };
  return triangle(last) - triangle(promptBefore);
}

type HeadSizes = Pick<Extract<KernelShape, { kind: 'attention' }>, 'kvHeads' | 'headDim' | 'valueDim' | 'valuesInKeys'>;

/** Latent attention reads its kept vectors as they are: one head of keys, whose first part are the values. */
function writtenHeads(form: AttentionForm, tp: number): HeadSizes {
  if (form.kind === 'latent')
    return {
      kvHeads: 1,
      headDim: form.keyValueRank + form.rotatedDim,
      valueDim: form.keyValueRank,
      valuesInKeys: true,
    };
  return { kvHeads: whole(form.kvHeads / tp), headDim: form.headDim, valueDim: form.headDim };
}

function readHeads(form: AttentionForm, tp: number): HeadSizes {
  if (form.kind === 'latent')
    return { kvHeads: whole(form.heads / tp), headDim: form.plainDim + form.rotatedDim, valueDim: form.valueDim };
  return writtenHeads(form, tp);
}
