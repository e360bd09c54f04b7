// Small operands for every op of the table: what the tests run each op on.
import { lossOps } from '../src/ops/loss.ts';
import { normOps } from '../src/ops/norm.ts';
import { opTable } from '../src/ops/op-table.ts';
import { type Routing, routeOps } from '../src/ops/route.ts';
import { countedName } from '../src/program/counted-rows.ts';
import { elements, type Shape } from '../src/program/program.ts';
import { attentionGradSamples, attentionSamples, mergeSamples, shareSamples } from './attention-samples.ts';
import {
  balanceGradSamples,
  balanceSamples,
  capacitySamples,
  choiceSamples,
  countSamples,
  doublesSamples,
  groupedRouteSamples,
  groupedSamples,
  moveSamples,
  outerSamples,
  packSamples,
  routeSamples,
  sendSamples,
  unpackSamples,
  usedSamples,
  weightSamples,
  zGradSamples,
  zSamples,
} from './mixture-samples.ts';
import {
  asOperand,
  cube,
  doubles,
  evenShape,
  floats,
  ints,
  next,
  type Operand,
  places,
  positive,
  type Sample,
  sample,
} from './operands.ts';

const elementwise = (operands: number): Sample[] =>
  [[5], [3, 2], cube, [2, 3, 2, 4], evenShape].map((shape) =>
    sample(
      `[${shape}]`,
      Array.from({ length: operands }, () => floats(shape, 3)),
    ),
  );

// Vocabularies: whole; padded; a middle shard that holds some of the targets; the last shard, padded; a shard of padding alone.
const vocabularyCases = [
  { label: 'whole', shape: [2, 3, 7], targets: [0, 7], offset: 0, valid: 7 },
  { label: 'padded', shape: [2, 3, 8], targets: [0, 5], offset: 0, valid: 5 },
  { label: 'even, padded', shape: [2, 4, 8], targets: [0, 6], offset: 0, valid: 6 },
  { label: 'middle shard', shape: [2, 6, 4], targets: [0, 12], offset: 4, valid: 4 },
  { label: 'last shard, padded', shape: [1, 8, 4], targets: [0, 11], offset: 8, valid: 3 },
  { label: 'padding alone', shape: [2, 3, 4], targets: [0, 8], offset: 8, valid: 0 },
] as const;

const vocabularySamples = vocabularyCases.map(({ label, shape, targets, offset, valid }) => {
  const logits = floats(shape, 4);
  const most = asOperand(lossOps.vocabMaxOp.reference!([logits], { valid })[0]!);
  // The maximum of all shards lies above this one's.
  const above = { ...most, data: most.data.map((value) => Math.max(value, -4) + 0.7 * next()) };
  return sample(label, [logits, ints(shape.slice(0, 2), targets[0], targets[1]), above], { offset, valid });
});

const normSamples: Shape[] = [[3, 5], cube, [2, 3, 2, 6], evenShape];
const rmsCases = normSamples.map((shape) =>
  sample(`[${shape}]`, [floats(shape, 3), floats(shape.slice(-1))], { epsilon: 1e-5 }),
);
const layerCases = normSamples.map((shape) =>
  sample(`[${shape}]`, [floats(shape, 3), floats(shape.slice(-1)), floats(shape.slice(-1))], { epsilon: 1e-5 }),
);

const frequencies = (headDim: number) => Array.from({ length: headDim / 2 }, (_, i) => 10 ** (-(2 * i) / headDim));
/** At positions in any order, the last one the tables have among them. */
const ropeSample = (
  label: string,
  shape: Shape,
  how: { readonly inverse: boolean; readonly interleaved?: true },
): Sample => {
  const maxPositions = 9;
  const positions = places(shape[0]!, shape[1]!, (token, row) => (token * 5 + row + 8) % maxPositions);
  return sample(label, [floats(shape), positions], { frequencies: frequencies(shape[3]!), maxPositions, ...how });
};
const embeddingCases = [
  { label: 'whole table', ids: ints([2, 5], 0, 6), table: floats([6, 3]), offset: 0 },
  { label: 'even', ids: ints([2, 4], 0, 8), table: floats([8, 6]), offset: 0 },
  { label: 'middle shard', ids: ints([2, 8], 0, 12), table: floats([4, 3]), offset: 4 },
  { label: 'shard that holds no token', ids: ints([1, 4], 0, 4), table: floats([4, 2]), offset: 4 },
];

const statistics = [cube, [1, 1, 1], [1, 2, 5], [1, 4, 6]].map((shape) => {
  const tokens = elements(shape.slice(1));
  const data = Float64Array.from([...positive([tokens]).data, ...floats([tokens]).data]);
  const stats: Operand = { shape: [2, ...shape.slice(1)], dtype: 'float', data };
  return [stats, positive(shape.slice(1)), positive([1])];
});

/** Rows of tokens by their documents, of which those past the pairs are padding; tokens that count nothing among them. */
const documentCases = [
  { label: 'even', shape: [2, 4], pairs: 2, documents: [0, 5] },
  { label: 'one pair', shape: [1, 7], pairs: 1, documents: [0, 3] },
  { label: 'room for more', shape: [3, 5], pairs: 4, documents: [0, 4] },
].map(({ label, shape, pairs, documents: [from, to] }) => {
  const weights = floats(shape);
  weights.data[0] = 0;
  return { label, shape, pairs, tokens: [ints(shape, from!, to!), weights] as const };
});

/** Rewards on both sides of the loss's bend, some pairs that count nothing. */
const preferenceCases = [
  { label: 'even', shape: [2, 4, 2], size: 3 },
  { label: 'one pair', shape: [1, 1, 2], size: 3 },
  { label: 'far from the reference', shape: [2, 3, 2], size: 200 },
].map(({ label, shape, size }) => {
  const weights = positive(shape.slice(0, 2));
  if (weights.data.length > 1) weights.data[1] = 0;
  return { label, attrs: { beta: 0.3 }, operands: [floats(shape, size), floats(shape, size), weights, positive([1])] };
});

/** Learning rate, both betas, epsilon, weight decay, clip norm, both bias corrections. */
const optimizers = {
  clipping: [0.1, 0.9, 0.95, 1e-3, 0.2, 1, 0.1, 0.05],
  free: [0.1, 0.8, 0.9, 1e-2, 0.1, 0, 0.36, 0.19],
};
const adamwSample = (label: string, size: number, optimizer: keyof typeof optimizers, decayed: number[][]): Sample =>
  sample(
    label,
    [floats([size]), floats([size]), floats([size]), positive([size]), doubles(9), doubles(...optimizers[optimizer])],
    { decayed },
  );

/** By op name. Ops that only the transport runs have none: they are proved on simulated ranks. */
const ofOps: Readonly<Record<string, readonly Sample[]>> = {
  swiglu: elementwise(2),
  swigluGrad: elementwise(3),
  gelu: elementwise(1),
  geluGrad: elementwise(2),
  squaredRelu: elementwise(1),
  squaredReluGrad: elementwise(2),
  sigmoid: elementwise(1),
  sigmoidGrad: elementwise(2),
  route: [...routeSamples, ...groupedRouteSamples],
  routeGrad: [
    ...routeSamples.map(({ label, inputs, attrs }) => {
      const [logits] = inputs;
      const [weights, experts] = routeOps.routeOp.reference!(inputs, attrs as Routing);
      return sample(label, [floats(weights!.shape), logits!, { ...experts!, dtype: 'int' }], attrs);
    }),
    ...weightSamples.map(({ label, inputs: [logits, experts], attrs }) =>
      sample(label, [floats([...experts!.shape, 1]), logits!, experts!], attrs),
    ),
  ],
  withinCapacity: capacitySamples,
  slotCounts: countSamples,
  addAsDoubles: doublesSamples,
  moveByLoad: moveSamples,
  balanceLoss: balanceSamples,
  balanceLossGrad: balanceGradSamples,
  zLoss: zSamples,
  zLossGrad: zGradSamples,
  constant: [sample('a number', [floats([2, 3])], { value: 0.5 })],
  chooseTokens: choiceSamples,
  slotWeights: weightSamples,
  groupedLinear: groupedSamples,
  groupedOuterSum: outerSamples,
  sendOrder: sendSamples,
  packRows: packSamples,
  unpackRows: unpackSamples,
  usedRows: usedSamples,
  scaleRows: [
    sample('even', [floats([2, 4, 2, 6]), floats([2, 4, 2, 1])]),
    sample('matrix', [floats([3, 5]), floats([3, 1])]),
  ],
  attention: attentionSamples,
  attentionGrad: attentionGradSamples,
  mergeAttention: mergeSamples,
  shareOfMerged: shareSamples,
  splitBlocks: [
    sample('dim 0', [floats([4, 3])], { dim: 0, blocks: 2 }),
    sample('even, dim 1 of three', [floats([2, 4, 6])], { dim: 1, blocks: 2 }),
    sample('even, last dim', [floats([2, 4, 2, 6])], { dim: 3, blocks: 3 }),
  ],
  joinBlocks: [
    sample('dim 0', [floats([2, 2, 3])], { dim: 0 }),
    sample('even, dim 1 of three', [floats([2, 2, 4, 6])], { dim: 1 }),
    sample('even, last dim', [floats([3, 2, 4, 2])], { dim: 2 }),
  ],
  finishAttention: mergeSamples.map(({ label, inputs }) => sample(label, inputs.slice(0, 2))),
  rowProduct: mergeSamples.map(({ label, inputs }) => sample(label, [inputs[0]!, inputs[2]!])),
  headsFirst: [
    sample('even', [floats([2, 4, 4, 2])], { group: 2 }),
    sample('alone', [floats([2, 3, 3, 2])], { group: 1 }),
    sample('all in one group', [floats([1, 5, 3, 2])], { group: 3 }),
  ],
  headsLast: [
    sample('even', [floats([2, 2, 4, 2, 2])]),
    sample('alone', [floats([2, 3, 4, 1, 2])]),
    sample('all in one group', [floats([1, 1, 4, 3, 2])]),
  ],
  ownSlice: [
    sample('first dim', [floats(cube)], { axis: 'tp', dim: 0, start: 1, size: 1 }),
    sample('middle dim', [floats([2, 6, 3])], { axis: 'tp', dim: 1, start: 2, size: 3 }),
    sample('last dim', [floats([2, 6])], { axis: 'dp', dim: 1, start: 4, size: 2 }),
  ],
  ownPad: [
    sample('first dim', [floats([1, 3, 4])], { axis: 'tp', dim: 0, start: 1, size: 3 }),
    sample('middle dim', [floats([2, 2, 3])], { axis: 'tp', dim: 1, start: 2, size: 6 }),
    sample('last dim', [floats([3, 2])], { axis: 'dp', dim: 1, start: 4, size: 6 }),
  ],
  add: [
    ...elementwise(2),
    sample('bias', [floats(cube), floats([4])]),
    sample('even bias', [floats(evenShape), floats([6])]),
    sample('even rows', [floats(evenShape), floats([4, 6])]),
    sample('rows alike in the batch', [floats(cube), floats([3, 4])]),
  ],
  multiply: elementwise(2),
  offset: [sample('even', [floats(evenShape)], { by: 1 }), sample('negative', [floats([7])], { by: -0.5 })],
  scale: [sample('even', [floats(evenShape)], { by: 0.5 }), sample('negative', [floats([7])], { by: -3 })],
  sumLeading: [
    sample('even to features', [floats(evenShape)], { keep: 1 }),
    sample('even to rows', [floats(evenShape)], { keep: 2 }),
    sample('to features', [floats(cube)], { keep: 1 }),
    sample('to rows', [floats(cube)], { keep: 2 }),
    sample('one leading dim', [floats([3, 4])], { keep: 1 }),
  ],
  accumulate: elementwise(2),
  embedding: embeddingCases.map(({ label, ids, table, offset }) => sample(label, [ids, table], { offset })),
  embeddingGrad: embeddingCases.map(({ label, ids, table, offset }) =>
    sample(label, [floats([...ids.shape, table.shape[1]!]), ids, table], { offset }),
  ),
  splitHeads: [
    sample('even', [floats([2, 4, 8])], { headDim: 4 }),
    sample('three heads', [floats([2, 3, 12])], { headDim: 4 }),
  ],
  mergeHeads: [sample('even', [floats([2, 4, 2, 4])]), sample('three heads', [floats([2, 3, 3, 4])])],
  splitFeatures: [
    sample('even', [floats([2, 4, 2, 6])], { first: 4 }),
    sample('one head', [floats([1, 3, 1, 5])], { first: 2 }),
  ],
  splitShared: [
    sample('even', [floats([2, 4, 2, 6])], { first: 4 }),
    sample('three heads', [floats([2, 3, 3, 5])], { first: 2 }),
  ],
  padFeatures: [
    sample('even', [floats([2, 4, 2, 4])], { before: 2, after: 0 }),
    sample('both sides', [floats([1, 3, 3, 2])], { before: 1, after: 2 }),
  ],
  joinFeatures: [
    sample('even', [floats([2, 4, 2, 4]), floats([2, 4, 2, 2])], { shared: false }),
    sample('even, shared', [floats([2, 4, 2, 4]), floats([2, 4, 1, 2])], { shared: true }),
    sample('three heads, shared', [floats([1, 3, 3, 2]), floats([1, 3, 1, 5])], { shared: true }),
  ],
  rope: [
    ropeSample('even', [2, 4, 2, 4], { inverse: false }),
    ropeSample('forward', [2, 5, 3, 6], { inverse: false }),
    ropeSample('back', [2, 5, 3, 6], { inverse: true }),
    ropeSample('even, interleaved', [2, 4, 2, 4], { inverse: false, interleaved: true }),
    ropeSample('back, interleaved', [2, 5, 3, 6], { inverse: true, interleaved: true }),
    ropeSample('one pair', [1, 4, 1, 2], { inverse: false }),
  ],
  linear: [
    sample('even', [floats(evenShape), floats([4, 6])], { order: 'out,in' }),
    sample('even in,out', [floats(evenShape), floats([6, 4])], { order: 'in,out' }),
    sample('out,in', [floats([2, 3, 4]), floats([5, 4])], { order: 'out,in' }),
    sample('in,out', [floats([2, 3, 4]), floats([4, 5])], { order: 'in,out' }),
    sample('one row', [floats([1, 1, 6]), floats([3, 6])], { order: 'out,in' }),
    sample('one output', [floats([2, 2, 3]), floats([3, 1])], { order: 'in,out' }),
  ],
  outerSum: [
    sample('even', [floats(evenShape), floats([2, 4, 8])]),
    sample('narrow by wide', [floats([2, 3, 2]), floats([2, 3, 7])]),
    sample('one row', [floats([1, 1, 3]), floats([1, 1, 4])]),
    sample('long', [floats([3, 20, 4]), floats([3, 20, 4])]),
  ],
  vocabMax: vocabularySamples.map(({ label, inputs, attrs }) =>
    sample(label, inputs.slice(0, 1), { valid: (attrs as { valid: number }).valid }),
  ),
  vocabStats: vocabularySamples,
  vocabStatsGrad: vocabularySamples.map(({ label, inputs, attrs }) =>
    sample(label, [floats([2, ...inputs[1]!.shape]), ...inputs], attrs),
  ),
  tokenLoss: statistics.map(([stats, ...weighed]) => sample(`[${stats!.shape}]`, [stats!, ...weighed])),
  tokenLossGrad: statistics.map((operands) => sample(`[${operands[0]!.shape}]`, [floats([1]), ...operands])),
  tokenLogProb: statistics.map(([stats]) => sample(`[${stats!.shape}]`, [stats!])),
  tokenLogProbGrad: statistics.map(([stats]) => sample(`[${stats!.shape}]`, [floats(stats!.shape.slice(1)), stats!])),
  sumByDocument: documentCases.map(({ label, shape, pairs, tokens }) =>
    sample(label, [floats(shape), ...tokens], { pairs }),
  ),
  takeByDocument: documentCases.map(({ label, shape, pairs, tokens }) =>
    sample(label, [floats([shape[0]!, pairs, 2]), ...tokens]),
  ),
  preferenceLoss: preferenceCases.map(({ label, operands, attrs }) => sample(label, operands, attrs)),
  preferenceLossGrad: preferenceCases.map(({ label, operands, attrs }) =>
    sample(label, [floats([1]), ...operands], attrs),
  ),
  rmsNorm: rmsCases,
  rmsNormGrad: rmsCases.map(({ label, inputs, attrs }) => {
    const [, inverse] = normOps.rmsNormOp.reference!(inputs, attrs as { epsilon: number });
    return sample(label, [floats(inputs[0]!.shape), ...inputs, asOperand(inverse!)]);
  }),
  layerNorm: layerCases,
  layerNormGrad: layerCases.map(({ label, inputs, attrs }) => {
    const [x, gain] = inputs as [Operand, Operand];
    const [, mean, inverse] = normOps.layerNormOp.reference!(inputs, attrs as { epsilon: number });
    return sample(label, [floats(x.shape), x, gain, asOperand(mean!), asOperand(inverse!)]);
  }),
  sumSquares: [sample('even', [floats([8])]), sample('long', [floats([300])])],
  onFirst: [
    sample('the first', [doubles(3)], { axes: ['dp'], counts: true }),
    sample('another', [doubles(3)], { axes: ['dp'], counts: false }),
  ],
  total: [sample('even, one', [doubles(2)]), sample('even, three', [doubles(2), doubles(-7), doubles(0.5)])],
  squareRoot: [sample('even', [doubles(2, 3, 0.25, 0)])],
  meanOfSum: [sample('even', [floats([8])], { replicas: 3 }), sample('of doubles', [doubles(2)], { replicas: 2 })],
  outerStep: [
    sample('even', [floats([8]), floats([8]), floats([8])], { replicas: 2, learningRate: 0.7, momentum: 0.9 }),
    sample('plain averaging', [floats([5]), floats([5]), floats([5])], { replicas: 3, learningRate: 1, momentum: 0 }),
  ],
  reciprocal: [sample('even', [doubles(2, 3, 0.25, 0)]), sample('of nothing', [doubles(0)])],
  adamw: [
    adamwSample('even, some decay', 8, 'clipping', [[2, 6]]),
    adamwSample('even, none decay', 8, 'free', []),
    adamwSample('several ranges decay', 40, 'clipping', [
      [0, 7],
      [9, 10],
      [33, 40],
    ]),
  ],
};

/** Those of an op with operands of the same first two dims, whose tokens are rows that all are there. */
const onRows = (name: string): Sample[] =>
  ofOps[name]!.flatMap(({ label, inputs, attrs }) => {
    const [[batch, length] = []] = inputs.map(({ shape }) => shape);
    if (!inputs.every(({ shape }) => shape.length > 2 && shape[0] === batch && shape[1] === length)) return [];
    const rows = batch! * length!;
    const counts: Operand = { shape: [1, 1, 2], dtype: 'int', data: Float64Array.of(rows - 1, 1) };
    const given = inputs.map((operand): Operand => ({ ...operand, shape: [1, rows, ...operand.shape.slice(2)] }));
    // The even ones among them are cut as they were, on dims behind those.
    return [sample(label.replace('[2,4,6]', 'even'), [...given, counts], attrs)];
  });

export const samples: Readonly<Record<string, readonly Sample[]>> = {
  ...ofOps,
  ...Object.fromEntries(
    [...opTable.values()].filter(({ rowwise }) => rowwise).map((op) => [countedName(op), onRows(op.name)]),
  ),
};
