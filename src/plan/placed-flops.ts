// What documents change of a program's FLOPs: the formulas of ops hold for sequences of one document; packed ones see less.
import { cutIntoBlocks, type Places, scoresOf } from '../ops/attention-blocks.ts';
import { type AttentionAttrs, sizeOf } from '../ops/attention-size.ts';
import type { RankProgram } from '../step/step.ts';

/** The attention of a program's microbatch, which all its blocks look at alike. */
export interface PlacedWork {
  /** FLOPs for a score that is computed, of all blocks together, forward and backward. */
  readonly flopsPerScore: number;
  /** Scores of one head for a sequence of one document. */
  readonly scoresInOrder: number;
  /** Scores of one head for a sequence whose tokens stand so. */
  readonly scores: (places: Places) => number;
}

/** Undefined for a program without attention. Microbatches are alike. */
export function placedWork({ instructions }: RankProgram): PlacedWork | undefined {
  const blocks = instructions.flatMap((each) => (each.kind === 'blocks' && each.microbatch === 0 ? [each] : []));
  const first = blocks[0];
  if (!first) return undefined;
  const { batch, queries, group } = sizeOf(first.node.inputs[0]!, first.node.inputs[1]!);
  const attrs = first.node.attrs as AttentionAttrs;
  const scores = (places: Places): number => scoresOf(cutIntoBlocks(places, places, { ...attrs, group }), group);
  const scoresInOrder = scores({
    positions: Array.from({ length: queries }, (_, i) => i),
    documents: new Uint8Array(queries),
  });
  const flops = blocks.reduce((sum, each) => sum + each.flops, 0);
  return { flopsPerScore: flops / (batch * scoresInOrder), scoresInOrder, scores };
}
