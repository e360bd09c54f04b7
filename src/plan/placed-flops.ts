// What documents change of a program's FLOPs: the formulas of ops hold for sequences of one document; packed ones see less.
import { keyMembers, queryMembers, type TokenRange } from '../mesh/sequence.ts';
import { cutIntoBlocks, type Places, scoresOf } from '../ops/attention-blocks.ts';
import { type AttentionAttrs, sizeOf } from '../ops/attention-size.ts';
import { placesAt, tokenShares } from '../step/balance.ts';
import type { StepSettings } from '../step/settings.ts';
import type { RankProgram } from '../step/step.ts';

/** The attention of a program's microbatch. */
export interface PlacedWork {
  /** FLOPs for a score that is computed, of all blocks together, forward and backward; 1 where blocks differ, whose scores are FLOPs then. */
  readonly flopsPerScore: number;
  /** Scores of one head for this rank's part of a sequence of one document. */
  readonly scoresInOrder: number;
  /** Scores of one head for this rank's part of a sequence whose tokens stand so, dealt out in the settings' way or another. */
  readonly scores: (sequence: Places, packed?: StepSettings['packed']) => number;
}

type Attention = Extract<RankProgram['instructions'][number], { kind: 'blocks' }>;

/** Of the rank at `cp`; undefined for a program without attention. Microbatches are alike. */
export function placedWork({ instructions }: RankProgram, settings: StepSettings, cp: number): PlacedWork | undefined {
  const byWindow = new Map<number | undefined, Attention[]>();
  for (const each of instructions) {
    if (each.kind !== 'blocks' || each.microbatch !== 0 || !each.node.op.name.startsWith('attention')) continue;
    const { window } = each.node.attrs as AttentionAttrs;
    byWindow.set(window, [...(byWindow.get(window) ?? []), each]);
  }
  const kinds = [...byWindow.values()].map((blocks) => workOf(blocks, settings, cp));
  if (kinds.length < 2) return kinds[0];
  const total = (of: (kind: PlacedWork) => number) =>
    kinds.reduce((sum, kind) => sum + kind.flopsPerScore * of(kind), 0);
  return {
    flopsPerScore: 1,
    scoresInOrder: total(({ scoresInOrder }) => scoresInOrder),
    scores: (sequence, packed) => total(({ scores }) => scores(sequence, packed)),
  };
}

/** Of blocks that see as far as each other. */
function workOf(blocks: readonly Attention[], settings: StepSettings, cp: number): PlacedWork {
  const { layout, seqLen } = settings;
  const [first] = blocks as [Attention, ...Attention[]];
  const { batch, group } = sizeOf(first.node.inputs[0]!, first.node.inputs[1]!);
  const attrs = first.node.attrs as AttentionAttrs;
  const scoresAt = (sequence: Places, shares: readonly (readonly TokenRange[])[]): number => {
    const at = (members: readonly number[]) =>
      placesAt(
        sequence,
        members.flatMap((member) => shares[member]!),
      );
    const queries = at(queryMembers(layout, cp));
    return keyMembers(layout, cp).reduce(
      (sum, members) => sum + scoresOf(cutIntoBlocks(queries, at(members), { ...attrs, group }), group),
      0,
    );
  };
  const inOrder = { positions: Array.from({ length: seqLen }, (_, i) => i), documents: new Uint8Array(seqLen) };
  const scoresInOrder = scoresAt(inOrder, tokenShares(settings, undefined));
  const flops = blocks.reduce((sum, each) => sum + each.flops, 0);
  return {
    flopsPerScore: flops / (batch * scoresInOrder),
    scoresInOrder,
    scores: (sequence, packed = settings.packed) =>
      scoresAt(sequence, tokenShares({ ...settings, ...(packed ? { packed } : {}) }, sequence.documents)),
  };
}
