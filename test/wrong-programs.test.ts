// Every wrong program is refused while it is traced, with a message that names op, axis, site and fix.
import { expect, test } from 'vitest';
import { FivefoldError } from '../src/errors.ts';
import { coordsOf, type Mesh } from '../src/mesh/mesh.ts';
import { at, input, startTrace } from '../src/program/trace.ts';
import type { AxisType, Types } from '../src/program/types.ts';
import type { Wrong } from './wrong-programs/program.ts';
import { wrongPrograms } from './wrong-programs.ts';

const mesh: Mesh = { tp: 2, cp: 1, ep: 1, dp: 2, pp: 1 };

function refusal({ build }: Wrong): FivefoldError | undefined {
  const trace = startTrace(mesh, coordsOf(mesh, 3));
  const typed = (types: AxisType | Types): Types => (typeof types === 'string' ? { tp: types } : types);
  try {
    at(trace, 'block 2', () =>
      build({
        x: (shape, types) => input(trace, shape, typed(types)),
        ids: (shape, types) => input(trace, shape, typed(types), 'int'),
        doubles: (shape) => input(trace, shape, {}, 'double'),
      }),
    );
  } catch (error) {
    if (error instanceof FivefoldError) return error;
    throw error;
  }
  return undefined;
}

test.each(wrongPrograms)('$name', (program) => {
  const error = refusal(program);
  const { code = 'TYPE_MISMATCH', axis = 'tp' } = program;
  expect(error?.code).toBe(code);
  expect(error?.message).toMatch(new RegExp(`^${program.op} at block 2`));
  if (code === 'TYPE_MISMATCH') expect(error?.message).toContain(`on axis ${axis}, `);
  expect(error?.message).toMatch(program.fix);
  expect(error?.message).not.toContain('\n');
});

test('the messages read well', () => {
  expect(
    wrongPrograms.map((program) => `${program.name}\n  ${refusal(program)?.message}`).join('\n'),
  ).toMatchInlineSnapshot(`
    "no all-reduce between a row-parallel layer and the residual
      add at block 2: on axis tp, operand 0 is invariant, operand 1 partial (operands are I, P); all-reduce operand 1 over tp (P -> I) first
    no reduce-scatter between a row-parallel layer and the residual under sp
      add at block 2: on axis tp, operand 1 is partial, operand 0 is not (operands are V1, P); reduce-scatter operand 1 on dim 1 over tp (P -> V1) first
    bias added before the all-reduce
      add at block 2: on axis tp, operand 0 is partial, operand 1 is not (operands are P, R); all-reduce operand 0 over tp (P -> R) first: before it, operand 1 would be counted once a rank
    invariant bias added before the all-reduce
      add at block 2: on axis tp, operand 1 is invariant, operand 0 partial (operands are P, I); all-reduce operand 0 over tp (P -> I) first
    product of two partial values
      multiply at block 2: on axis tp, operands 0 and 1 are both partial, and a product of sums is not the sum of products (operands are P, P); all-reduce operand 0 over tp (P -> R) first
    product of a partial value and a varying one
      multiply at block 2: on axis tp, operand 0 is partial and multiplied by one that varies (operands are P, V1); all-reduce operand 0 over tp (P -> R) first
    gelu of a partial value
      gelu at block 2: on axis tp, operand 0 is partial and the op is not linear in it (operands are P); all-reduce operand 0 over tp (P -> I), or reduce-scatter it (P -> V), first
    norm of a partial value
      rmsNorm at block 2: on axis tp, operand 0 is partial and the op is not linear in it (operands are P, R); all-reduce operand 0 over tp (P -> R), or reduce-scatter it (P -> V), first
    attention on partial queries
      attention at block 2: on axis tp, operand 0 is partial and the op is not linear in it (operands are P, P, R, R, R, R, R); all-reduce operand 0 over tp (P -> R), or reduce-scatter it (P -> V), first
    invariant input of a column-parallel layer that did not enter
      linear at block 2: on axis tp, operand 0 is invariant, operand 1 varies (operands are I, V0); enter operand 0 over tp (I -> R) first
    invariant residual and a sequence-sharded one
      add at block 2: on axis tp, operand 0 is invariant, operand 1 varies (operands are I, V1); all-gather operand 1 on dim 1 over tp (V1 -> I), or keep this rank's slice of operand 0 on dim 1 (I -> V1), first
    replicated gain on an invariant residual
      rmsNorm at block 2: on axis tp, operand 0 is invariant, operand 1 replicated (operands are I, R); enter operand 0 over tp (I -> R) first, or make operand 1 invariant too if every rank does the same with it
    vocabulary statistics with a maximum still partial
      vocabStats at block 2: on axis tp, operand 2 is a maximum still partial (operands are V2, R, Pmax); all-reduce operand 2 over tp by maximum (Pmax -> R) first
    loss of statistics still partial
      tokenLoss at block 2: on axis tp, operand 1 is invariant, operand 0 partial (operands are P, I, I); all-reduce operand 0 over tp (P -> I) first
    preference of completions whose tokens are on several ranks
      preferenceLoss at block 2: on axis tp, operand 1 is invariant, operand 0 partial (operands are P, I, I, I); all-reduce operand 0 over tp (P -> I) first
    all-gather on a dim that is not the sharded one
      allGather at block 2: on axis tp, it takes V2 but the operand is V1; gather dim 1, on which it is sharded over tp
    all-gather of what is whole
      allGather at block 2: on axis tp, it takes V1 but the operand is R; every rank holds it whole: drop this all-gather
    all-gather of a partial value
      allGather at block 2: on axis tp, it takes V1 but the operand is P; all-reduce it over tp (P -> R) instead
    reduce-scatter of a sharded value
      reduceScatter at block 2: on axis tp, it takes P but the operand is V1; it is sharded on dim 1 already: drop this reduce-scatter
    reduce-scatter of what is whole
      reduceScatter at block 2: on axis tp, it takes P but the operand is I; every rank holds it whole: keep this rank's slice over tp (ownSlice) instead
    reduce-scatter of a sequence that does not divide
      reduceScatter at block 2: dim 1 of [2,7,6] does not divide over 2 ranks; make it a multiple of 2
    all-reduce of a replicated value
      allReduce at block 2: on axis tp, it takes P but the operand is R; every rank holds it whole, and summing would count it once a rank: drop this all-reduce
    all-reduce of a sharded value
      allReduce at block 2: on axis tp, it takes P but the operand is V1; each rank holds its own slice: all-gather it on dim 1 over tp (V1 -> R) instead
    all-reduce twice
      allReduce at block 2: on axis tp, it takes P but the operand is I; it is summed already: drop this all-reduce
    entering twice
      enter at block 2: on axis tp, it takes I but the operand is R; it has entered already: drop this enter
    partial maximum all-reduced as a sum
      allReduce at block 2: on axis tp, it takes P but the operand is Pmax; all-reduce it over tp by maximum (Pmax -> R) instead
    sum all-reduced as a maximum
      allReduce at block 2: on axis tp, it takes Pmax but the operand is P; it is a partial sum: all-reduce it over tp by sum (P -> R) instead
    own slice of what is sharded
      ownSlice at block 2: on axis tp, it takes R or I but the operand is V1; it is sharded on dim 1 already: drop this slice, or all-gather it over tp first
    own slice of a partial value
      ownSlice at block 2: on axis tp, it takes R or I but the operand is P; reduce-scatter it over tp instead
    even shares of a dim that does not divide
      ownSlice at block 2: dim 1 of [2,7,6] does not divide into 2 shares; make it a multiple of 2
    an all-reduce over two axes of what is partial on one
      allReduce at block 2: on axis tp, it takes P but the operand is I; it is summed already: drop this all-reduce
    a gather over two axes of what is shared out over one
      allGather at block 2: on axis tp, it takes V0 but the operand is R; every rank holds it whole: drop this all-gather
    a reduce-scatter into shares that do not divide
      reduceScatter at block 2: dim 0 of [6] does not divide over 4 ranks; make it a multiple of 4
    swiglu of a gate that is whole and an up that is sharded
      swiglu at block 2: on axis tp, dim 2 of operand 1 is sharded and dim 2 of operand 0, which must match it, is whole (operands are R, V2); keep this rank's slice of operand 0 on dim 2 over tp (R -> V2), or all-gather operand 1 on dim 2 over tp (V2 -> R), first
    sharded features against a whole weight
      linear at block 2: on axis tp, dim 2 of operand 0 is sharded and dim 1 of operand 1, which must match it, is whole (operands are V2, R); keep this rank's slice of operand 1 on dim 1 over tp (R -> V1), or all-gather operand 0 on dim 2 over tp (V2 -> R), first
    whole features against a weight sharded on its inputs
      linear at block 2: on axis tp, dim 1 of operand 1 is sharded and dim 2 of operand 0, which must match it, is whole (operands are R, V1); keep this rank's slice of operand 0 on dim 2 over tp (R -> V2), or all-gather operand 1 on dim 1 over tp (V1 -> R), first
    two dims sharded over one axis
      linear at block 2: on axis tp, dim 0 of operand 0 and dim 0 of operand 1 are different dims sharded over one axis (operands are V0, V0); all-gather operand 0 on dim 0 over tp (V0 -> R) or all-gather operand 1 on dim 0 over tp (V0 -> R) first
    no all-gather before a column-parallel layer under sp
      linear at block 2: on axis tp, dim 1 of operand 0 and dim 0 of operand 1 are different dims sharded over one axis (operands are V1, V0); all-gather operand 0 on dim 1 over tp (V1 -> R) or all-gather operand 1 on dim 0 over tp (V0 -> R) first
    attention over a sequence that is sharded
      attention at block 2: on axis tp, operand 1 is sharded on dim 2, which the op needs whole (operands are V2, V2, V2, V1, V1, V1, V1); all-gather operand 1 on dim 2 over tp (V2 -> R) first
    attention with query heads sharded and key-value heads whole
      attention at block 2: on axis tp, dim 1 of operand 0 is sharded and dim 1 of operand 1, which must match it, is whole (operands are V1, R, R, R, R, R, R); keep this rank's slice of operand 1 on dim 1 over tp (R -> V1, or the part that goes with it: O1), or all-gather operand 0 on dim 1 over tp (V1 -> R), first
    the positions of this rank turn a sequence that is whole
      rope at block 2: on axis tp, dim 1 of operand 1 is sharded and dim 1 of operand 0, which must match it, is whole (operands are R, V1); keep this rank's slice of operand 0 on dim 1 over tp (R -> V1), or all-gather operand 1 on dim 1 over tp (V1 -> R), first
    norm over features that are sharded
      rmsNorm at block 2: on axis tp, operand 0 is sharded on dim 2, which the op needs whole (operands are V2, V0); all-gather operand 0 on dim 2 over tp (V2 -> R) first
    a shard that is half a head
      splitHeads at block 2: 4 features are not whole heads of 8; cut projections by heads: features must be a multiple of 8
    a part of its own that begins inside of a head
      splitHeads at block 2: on axis tp, this rank's part of operand 0 begins at feature 4, inside of a head of 8; cut whole heads: let the part that ownSlice keeps start at a multiple of 8
    heads cut inside
      attention at block 2: on axis tp, operand 0 is sharded on dim 4, which the op needs whole (operands are V4, V4, V4, R, R, R, R); all-gather operand 0 on dim 4 over tp (V4 -> R) first
    batch sharded in one operand only
      add at block 2: on axis dp, dim 0 of operand 0 is sharded and dim 0 of operand 1, which must match it, is whole (operands are V0, R); keep this rank's slice of operand 1 on dim 0 over dp (R -> V0), or all-gather operand 0 on dim 0 over dp (V0 -> R), first
    logits of this rank with the targets of all
      vocabStats at block 2: on axis dp, dim 0 of operand 0 is sharded and dim 0 of operand 1, which must match it, is whole (operands are V0, R, V0); keep this rank's slice of operand 1 on dim 0 over dp (R -> V0), or all-gather operand 0 on dim 0 over dp (V0 -> R), first
    embedding table of other features than the residual
      add at block 2: on axis tp, dim 1 of operand 0 and dim 2 of operand 1 are different dims sharded over one axis (operands are V1, V2); all-gather operand 0 on dim 1 over tp (V1 -> R) or all-gather operand 1 on dim 2 over tp (V2 -> R) first
    positions of the whole sequence added to a part of it
      add at block 2: [2,8,6] does not line up with the last dims of [2,4,6]; make them equal
    positions of the first ranks added on every rank
      add at block 2: on axis tp, dim 1 of operand 0 is sharded and dim 1 of operand 1, which must match it, is whole (operands are V1, R); keep this rank's slice of operand 1 on dim 1 over tp (R -> V1), or all-gather operand 0 on dim 1 over tp (V1 -> R), first
    all-gather of parts that may overlap
      allGather at block 2: on axis tp, it takes V1 but the operand is O1; its parts may overlap or leave gaps: use what ownSlice cut them from, or cut it in even shares over tp (V)
    all-reduce of parts that may overlap
      allReduce at block 2: on axis tp, it takes P but the operand is O1; its parts may overlap or leave gaps: use what ownSlice cut them from, or cut it in even shares over tp (V)
    reduce-scatter of a gradient of parts that may overlap
      reduceScatter at block 2: on axis tp, it takes P but the operand is PO1; it is the gradient of parts that may overlap: take it back through their ownSlice (PO1 -> P) first
    a part of a part
      ownSlice at block 2: on axis tp, it takes R but the operand is O1; its parts may overlap or leave gaps: use what ownSlice cut them from, or cut it in even shares over tp (V)
    features that overlap summed by a row-parallel layer
      linear at block 2: on axis tp, operand 0 is cut into parts that may overlap on a dim that the op reduces (operands are O2, O1); take operand 0 whole, before ownSlice keeps parts of it on dim 2 over tp, or cut it in even shares (V), first
    the loss of sequences that overlap
      tokenLoss at block 2: on axis tp, operand 0 is cut into parts that may overlap on a dim that the op reduces (operands are O2, O1, R); take operand 0 whole, before ownSlice keeps parts of it on dim 2 over tp, or cut it in even shares (V), first
    a maximum over a vocabulary in parts that may leave gaps
      vocabMax at block 2: on axis tp, operand 0 is cut into parts that may overlap on a dim that the op reduces (operands are O2); take operand 0 whole, before ownSlice keeps parts of it on dim 2 over tp, or cut it in even shares (V), first
    slices added to parts that may overlap
      add at block 2: on axis tp, operands 0 and 1 are cut differently: V makes up the whole, parts (O) may overlap (operands are V1, O1); keep the same parts of both over tp (ownSlice), or even shares of both, first
    a part added to the whole
      add at block 2: on axis tp, dim 1 of operand 0 is cut into parts and dim 1 of operand 1, which must match it, is whole (operands are O1, R); keep the same part of operand 1 on dim 1 over tp (R -> O1), or take operand 0 whole, before ownSlice keeps parts of it on dim 1 over tp, first
    a part of an invariant residual
      add at block 2: on axis tp, operand 1 is invariant, operand 0 cut into parts (operands are O1, I); enter operand 1 over tp (I -> R) and keep the same part of its dim 1 first
    a part added to a partial value
      add at block 2: on axis tp, operand 0 is partial, operand 1 is not (operands are P, O1); all-reduce operand 0 over tp (P -> R) and keep the same part of its dim 1 (R -> O1) first
    query heads in parts that may overlap, key-value heads in slices
      attention at block 2: on axis tp, operands 0 and 1 are cut differently: V makes up the whole, parts (O) may overlap (operands are O1, V1, V1, R, R, R, R); keep the same parts of both over tp (ownSlice), or even shares of both, first
    keys in parts, values in slices
      attention at block 2: on axis tp, operands 1 and 2 are cut differently: V makes up the whole, parts (O) may overlap (operands are V1, O1, V1, R, R, R, R); keep the same parts of both over tp (ownSlice), or even shares of both, first
    gelu of terms of parts
      gelu at block 2: on axis tp, operand 0 has parts still to be summed and the op is not linear in it (operands are PO2); add up the parts of operand 0 over tp (PO2 -> P, then all-reduce) first
    a bias added to terms of parts
      add at block 2: on axis tp, operand 0 has parts still to be summed, operand 1 is not such a sum (operands are PO1, R); add up the parts of operand 0 over tp (PO1 -> P, then all-reduce) first
    a product of terms of parts with slices
      multiply at block 2: on axis tp, operands 0 and 1 are cut differently: V makes up the whole, parts (O) may overlap (operands are PO2, V2); keep the same parts of both over tp (ownSlice), or even shares of both, first
    the best experts of some of them
      route at block 2: on axis tp, operand 0 is sharded on dim 2, which the op needs whole (operands are V2); all-gather operand 0 on dim 2 over tp (V2 -> R) first
    more experts a token than there are
      route at block 2: 5 experts a token of 4; use 1 to 4
    tokens multiplied by the experts of this rank alone
      groupedLinear at block 2: on axis tp, operand 2 is sharded on dim 0, which the op needs whole (operands are R, R, V0); all-gather operand 2 on dim 0 over tp (V0 -> R) first
    shares of experts added to the residual before they are summed
      add at block 2: on axis tp, operand 0 is invariant, operand 1 partial (operands are I, P); all-reduce operand 1 over tp (P -> I) first
    a vjp that returns a gradient of the wrong type
      identityWithBadGradient at block 2 adapter: on axis tp, operand 0 is R, so its gradient must be P but is R; pair each collective in its vjp with the forward one as the table in ops/collectives.ts does
    a seed that is not the dual of its value
      grad at block 2: on axis tp, a seed value is R, so its gradient must be P but is R; start from a gradient of the dual type
    a finished sum of gradients with an unfinished one
      accumulate at block 2: on axis tp, operand 1 is partial, operand 0 is not (operands are R, P); all-reduce operand 1 over tp (P -> R) first: before it, operand 0 would be counted once a rank
    AdamW on a gradient that is still to be summed
      adamw at block 2: on axis tp, operand 0 is invariant, operand 1 partial (operands are I, P, I, I, R, R); all-reduce operand 1 over tp (P -> I) first
    AdamW of all parameters with a share of the gradient
      adamw at block 2: on axis dp, operand 0 is invariant, operand 1 varies (operands are I, V0, I, I, R, R); all-gather operand 1 on dim 0 over dp (V0 -> I), or keep this rank's slice of operand 0 on dim 0 (I -> V0), first
    a norm that counts once a rank what all hold
      total at block 2: on axis tp, operand 1 is invariant, operand 0 partial (operands are P, I); all-reduce operand 0 over tp (P -> I) first
    a norm of what is replicated with one of shares
      total at block 2: on axis tp, operand 0 is partial, operand 1 is not (operands are P, R); all-reduce operand 0 over tp (P -> R) first: before it, operand 1 would be counted once a rank"
  `);
});
