// The steps of training that are timed instruction by instruction: small, and different enough to tell what time goes by.
import { type Layout, oneRank } from '../../mesh/layout.ts';
import { parseModelConfig } from '../../model/families.ts';
import { findPreset } from '../../model/presets.ts';
import { plainRouter } from '../../model/router.ts';
import type { StepSettings } from '../../step/settings.ts';

/** A step; of a layout of one rank every rank that there is takes it by itself. */
export interface CalibrationCase {
  readonly name: string;
  readonly settings: StepSettings;
  /** Every rank waits for all others after so many instructions; undefined: at the end of the step. */
  readonly meetEvery?: number;
  /** From one meeting to the next only one rank works, while the others wait for their turn. */
  readonly inTurns?: true;
}

/** Timed on one rank too. */
export const probeName = 'llama 512, longer';

interface Sizes {
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly mlp: number;
  readonly vocab: number;
  readonly layers?: number;
}

const sizes = ({ hidden, heads, kvHeads, mlp, vocab, layers = 2 }: Sizes) => ({
  num_hidden_layers: layers,
  hidden_size: hidden,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  intermediate_size: mlp,
  vocab_size: vocab,
});

const tiny: Sizes = { hidden: 128, heads: 4, kvHeads: 2, mlp: 352, vocab: 320 };
const small: Sizes = { hidden: 256, heads: 4, kvHeads: 4, mlp: 704, vocab: 2048 };
const few: Sizes = { hidden: 192, heads: 3, kvHeads: 3, mlp: 512, vocab: 320 };
const more: Sizes = { hidden: 320, heads: 5, kvHeads: 5, mlp: 896, vocab: 320 };
const medium: Sizes = { hidden: 512, heads: 8, kvHeads: 4, mlp: 1408, vocab: 320 };
const wide: Sizes = { hidden: 1024, heads: 8, kvHeads: 8, mlp: 2816, vocab: 2048, layers: 1 };

const model = (preset: string, changes: object) =>
  parseModelConfig({ ...findPreset(preset), ...changes }, `the calibration's ${preset}`);
const llama = (of: Sizes) => model('llama-tiny', sizes(of));
const mixtral = (of: Sizes) => model('mixtral-tiny', sizes(of));
const gpt2 = ({ hidden, heads, vocab }: Sizes) =>
  model('gpt2', {
    n_layer: 2,
    n_embd: hidden,
    n_head: heads,
    vocab_size: vocab,
    resid_pdrop: 0,
    embd_pdrop: 0,
    attn_pdrop: 0,
  });

/** `ranks`: that there are; layouts of two are of as many pairs as they make. */
export function calibrationCases(ranks: number): CalibrationCase[] {
  const pairs = Math.floor(ranks / 2);
  const step = (
    name: string,
    config: StepSettings['config'],
    seqLen: number,
    layout?: Partial<Layout>,
  ): CalibrationCase => ({
    name,
    settings: {
      config,
      layout: layout ? { ...oneRank, dp: pairs, ...layout } : oneRank,
      seqLen,
      microBatch: 1,
      microbatches: 2,
      precision: 'f32',
    },
  });
  const short = step('llama 128', llama(tiny), 256);
  const probe = step(probeName, llama(medium), 512);
  const meeting = (of: CalibrationCase, meetEvery: number): CalibrationCase => ({
    ...of,
    name: `${of.name}, meeting every ${meetEvery}`,
    meetEvery,
  });
  const alone = [
    short,
    step('llama 256', llama(small), 1024),
    step('llama 512', llama(medium), 128),
    probe,
    step('llama 1024', llama(wide), 128),
    step('gpt2 256', gpt2(small), 256),
    step('gpt2 512', gpt2(medium), 320),
    step('mixtral 192', mixtral(few), 256),
  ];
  if (pairs === 0) return alone;
  const chosen = step('mixtral 320, ep', mixtral(more), 512, { ep: 2 });
  return [
    ...alone,
    // From some tenths of a millisecond to some tens.
    meeting(short, 4),
    meeting(probe, 2),
    meeting(probe, 20),
    { ...meeting(probe, 60), name: `${probe.name}, in turns`, inTurns: true },
    step('llama 256, tp', llama(small), 512, { tp: 2, sp: true }),
    step('llama 256, ring', llama(small), 1024, { cp: 2 }),
    step('llama 256, ulysses', llama(small), 512, { cp: 2, cpMode: 'ulysses' }),
    chosen,
    {
      name: 'mixtral 320, experts choose',
      settings: { ...chosen.settings, router: { ...plainRouter, routing: 'experts' } },
    },
  ];
}
