// What documents change of a program's FLOPs: the formulas of ops hold for sequences of one document; packed ones see less.
import { eachRange, keyTokens, queryTokens, type TokenRange } from '../mesh/sequence.ts';
import { cutIntoBlocks, type Places, scoresOf } from '../ops/attention-blocks.ts';
import { type AttentionAttrs, sizeOf } from '../ops/attention-size.ts';
import type { StepSettings } from '../step/settings.ts';
import type { RankProgram } from '../step/step.ts';

/** The attention of a program's microbatch, which all its blocks look at alike. */
export interface PlacedWork {
  /** FLOPs for a score that is computed, of all blocks together, forward and backward. */
  readonly flopsPerScore: number;
  /** Scores of one head for this rank's part of a sequence of one document. */
  readonly scoresInOrder: number;
  /** Scores of one head for this rank's part of a sequence whose tokens stand so. */
  readonly scores: (sequence: Places) => number;
}

/** Of the rank at `cp`; undefined for a program without attention. Microbatches are alike. */
export function placedWork(
  { instructions }: RankProgram,
  { layout, seqLen }: Pick<StepSettings, 'layout' | 'seqLen'>,
  cp: number,
): PlacedWork | undefined {
  const blocks = instructions.flatMap((each) =>
    each.kind === 'blocks' && each.microbatch === 0 && each.node.op.name.startsWith('attention') ? [each] : [],
  );
  const [first] = blocks;
  if (!first) return undefined;
  const { batch, group } = sizeOf(first.node.inputs[0]!, first.node.inputs[1]!);
  const attrs = first.node.attrs as AttentionAttrs;
  const queries = queryTokens(layout, seqLen, cp);
  const keys = keyTokens(layout, seqLen, cp);
  const scores = (sequence: Places): number => {
    const own = placesAt(sequence, queries);
    return keys.reduce(
      (sum, block) => sum + scoresOf(cutIntoBlocks(own, placesAt(sequence, block), { ...attrs, group }), group),
      0,
    );
  };
  const scoresInOrder = scores({
    positions: Array.from({ length: seqLen }, (_, i) => i),
    documents: new Uint8Array(seqLen),
  });
  const flops = blocks.reduce((sum, each) => sum + each.flops, 0);
  return { flopsPerScore: flops / (batch * scoresInOrder), scoresInOrder, scores };
}

/** Some tokens of a sequence, side by side. */
function placesAt({ positions, documents }: Places, ranges: readonly TokenRange[]): Places {
  const at = (numbers: ArrayLike<number>) => {
    const picked: number[] = [];
    eachRange(ranges, ([start, end]) => {
      for (let i = start; i < end; i++) picked.push(numbers[i]!);
    });
    return picked;
  };
  return { positions: at(positions), documents: at(documents) };
}
