// The head in blocks: every token in one block, no block over its limit, nothing larger than a block's logits.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyCase, settingsOf } from '../../test/random-cases.ts';
import { coordsOf } from '../mesh/mesh.ts';
import { elements } from '../program/program.ts';
import { traceSettings } from '../step/settings.ts';
import { tokenBlocks, traceHead, traceLoss, traceLossAndGradient } from './head.ts';
import { paddedVocab } from './params.ts';
import type { TraceSettings } from './parts.ts';

const anySettings = fc
  .tuple(anyCase, fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 12 }))
  .map(([each, seqLen, batch]): TraceSettings => {
    const settings = settingsOf(each, 'f64');
    return { ...traceSettings(settings, coordsOf(settings.layout, 0)), seqLen, batch };
  });

test('blocks cover all tokens once, in order, as parts of one sequence or as whole ones', () => {
  fc.assert(
    fc.property(anySettings, fc.option(fc.integer({ min: 1, max: 1000 }), { nil: undefined }), (settings, given) => {
      const { batch, seqLen } = settings;
      const blocks = tokenBlocks(settings, given);
      // Each begins where the one before it ends.
      const ends = blocks.map(({ first, rows, length }) => first + rows * length);
      expect(blocks.map(({ first }) => first)).toEqual([0, ...ends.slice(0, -1)]);
      expect(ends.at(-1)).toBe(batch * seqLen);
      for (const { rows, length, first } of blocks) {
        if (given !== undefined) expect(rows * length).toBeLessThanOrEqual(given);
        if (length === seqLen) expect(first % seqLen).toBe(0);
        else {
          expect(rows).toBe(1);
          expect(Math.floor(first / seqLen)).toBe(Math.floor((first + length - 1) / seqLen));
        }
      }
      // Few shapes: each is compiled.
      expect(new Set(blocks.map(({ rows, length }) => `${rows} ${length}`)).size).toBeLessThanOrEqual(2);
    }),
    { numRuns: 100 },
  );
});

test('blocks of a large vocabulary have few tokens, those of a huge microbatch are bounded in number', () => {
  const [each] = fc.sample(anyCase, { numRuns: 1, seed: 1 });
  const settings = settingsOf(each!, 'f64');
  const config = { ...settings.config, vocabSize: 128_000 };
  const trace = { ...traceSettings(settings, coordsOf(settings.layout, 0)), config };
  const alone = { ...trace, layout: { ...trace.layout, tp: 1 } };
  for (const { rows, length } of tokenBlocks({ ...alone, batch: 4, seqLen: 2048 }))
    expect(rows * length).toBeLessThanOrEqual(64);
  for (const [batch, seqLen] of [
    [1, 2 ** 30],
    [2 ** 20, 2 ** 30],
    [2 ** 20, 1],
    [1023, 2 ** 20],
  ] as const)
    expect(tokenBlocks({ ...alone, batch, seqLen }).length).toBeLessThanOrEqual(2048);
});

test('the programs of a block make nothing larger than its logits, its features and the weight', () => {
  fc.assert(
    fc.property(anyCase, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 64 }), (each, rows, length) => {
      const given = settingsOf(each, 'f64');
      const settings = traceSettings(given, coordsOf(given.layout, 0));
      const share = paddedVocab(given.config, given.layout) / given.layout.tp;
      const { hiddenSize } = given.config;
      const tokens = rows * length;
      const most = Math.max(tokens * share, tokens * hiddenSize, share * hiddenSize);
      for (const program of [traceLoss(settings, { rows, length }), traceLossAndGradient(settings, { rows, length })])
        for (const { outputs } of program.nodes)
          for (const { shape } of outputs) expect(elements(shape)).toBeLessThanOrEqual(Math.max(most, 2 * tokens));
      // What runs once for all tokens knows nothing of the vocabulary.
      const { open, close } = traceHead({ ...settings, batch: rows, seqLen: length * given.layout.tp });
      for (const { inputs } of [open, close]) expect(inputs['param:head.weight']).toBeUndefined();
    }),
    { numRuns: 100 },
  );
});
