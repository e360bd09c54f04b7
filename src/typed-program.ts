// The typed program as a library (`fivefold/program`): write what one rank computes, with every collective checked by type, take
// gradients of it and print it. docs/typed-program.md is the guide.
export { FivefoldError } from './errors.ts';
export { type Axis, axes, type Coords, coordsOf, type Mesh } from './mesh/mesh.ts';
export { gelu, logistic, squaredRelu, swiglu } from './ops/activation.ts';
export { attention, partialAttention, type TokenPlaces } from './ops/attention.ts';
export type { AttentionAttrs } from './ops/attention-size.ts';
export { withinCapacity } from './ops/capacity.ts';
export { chooseTokens } from './ops/choose-tokens.ts';
export { allGather, allReduce, allReduceMax, enter, ownSlice, reduceScatter } from './ops/collectives.ts';
export { accumulate, add, multiply, scale } from './ops/elementwise.ts';
export { embedding } from './ops/embedding.ts';
export { exchangeCounts, exchangeRows, packRows, sendOrder, unpackRows, usedRows } from './ops/exchange-rows.ts';
export { joinFeatures, joinShared, splitFeatures } from './ops/features.ts';
export { grad, type Seed } from './ops/grad.ts';
export { groupedLinear } from './ops/grouped-linear.ts';
export { headsFirst, headsLast, mergeHeads, splitHeads } from './ops/heads.ts';
export { linear } from './ops/linear.ts';
export { addAsDoubles, moveByLoad, slotsOfAll, slotsOfSequences } from './ops/load.ts';
export {
  enterLocal,
  exchangeBlocks,
  joinBlocks,
  leaveLocal,
  ringShift,
  splitBlocks,
} from './ops/local.ts';
export { sumByDocument, tokenLogProb } from './ops/log-prob.ts';
export { tokenLoss, vocabMax, vocabStats } from './ops/loss.ts';
export { layerNorm, rmsNorm } from './ops/norm.ts';
export { finishAttention, mergeAttention, type PartialAttention } from './ops/partial-attention.ts';
export { preferenceFigures, preferenceLoss } from './ops/preference.ts';
export { type RopeAttrs, rope } from './ops/rope.ts';
export { type Routes, type Routing, routes, slotWeights } from './ops/route.ts';
export { balanceLoss, zLoss } from './ops/router-loss.ts';
export { rowProduct, scaleRows } from './ops/rows.ts';
export { print } from './program/print.ts';
export type { Node, Program, Shape, Trace, Value } from './program/program.ts';
export { slice } from './program/slice.ts';
export { at, finish, input, startTrace } from './program/trace.ts';
export { type AxisType, dualTypes, type TypedAxis, type Types, typedAxes } from './program/types.ts';
