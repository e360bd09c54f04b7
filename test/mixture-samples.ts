// Small operands for the ops of mixtures of experts.
import type { Routing } from '../src/ops/route.ts';
import { doubles, floats, type Operand, places, positive, sample } from './operands.ts';

const routings: readonly Routing[] = [
  { perToken: 1, scores: 'softmax', normalised: false },
  { perToken: 2, scores: 'softmax', normalised: true },
  { perToken: 4, scores: 'softmax', normalised: false },
  { perToken: 2, scores: 'sigmoid', normalised: true },
  { perToken: 3, scores: 'sigmoid', normalised: false },
  { perToken: 5, scores: 'softmax', normalised: true },
];
const routeLabel = ({ perToken, scores, normalised }: Routing) =>
  `even, top ${perToken} by ${scores}${normalised ? ', normalised' : ''}`;
export const routeSamples = routings.flatMap((attrs) => {
  const logits = floats([2, 4, 5], 3);
  return [
    sample(routeLabel(attrs), [logits], attrs),
    sample(`${routeLabel(attrs)}, with a bias`, [logits, floats([5], 0.3)], attrs),
  ];
});

/** Of groups of three experts, and of one each. */
const grouped = [
  { perToken: 3, scores: 'sigmoid', normalised: true, groups: { count: 4, kept: 2, by: 'best two' } },
  { perToken: 2, scores: 'softmax', normalised: false, groups: { count: 4, kept: 1, by: 'best' } },
  { perToken: 5, scores: 'sigmoid', normalised: false, groups: { count: 12, kept: 6, by: 'best two' } },
] as const satisfies readonly Routing[];
export const groupedRouteSamples = grouped.flatMap((attrs) => {
  const label = `${routeLabel(attrs)}, of ${attrs.groups.kept} of ${attrs.groups.count} groups`;
  const logits = floats([2, 4, 12], 3);
  return [sample(label, [logits], attrs), sample(`${label}, with a bias`, [logits, floats([12], 0.3)], attrs)];
});

/** Of 5 experts, all different in a token; with `hot`, one has every token and the others few. */
const slots = (batch: number, length: number, perToken: number, hot = false): Operand => ({
  shape: [batch, length, perToken],
  dtype: 'int',
  data: Float64Array.from({ length: batch * length * perToken }, (_, i) => {
    const [token, place] = [Math.floor(i / perToken), i % perToken];
    return hot && place === 0 ? 3 : (3 + (hot ? 1 : token * 2) + place + (hot ? token % 2 : 0)) % 5;
  }),
});
/** Without the experts of some slots, among them all of the first token. */
function thinned({ data, ...operand }: Operand): Operand {
  const perToken = operand.shape[2]!;
  return { ...operand, data: data.map((expert, slot) => (slot < perToken || slot % 3 === 1 ? -1 : expert)) };
}
/** How many are left. */
const filledOf = ({ data }: Operand) => {
  const filled = data.filter((expert) => expert >= 0).length;
  return filled === data.length ? {} : { filled };
};
const groupedCases = [
  { label: 'even', experts: slots(2, 4, 2) },
  { label: 'even, most of one expert', experts: slots(2, 4, 2, true) },
  { label: 'one expert a token', experts: slots(1, 3, 1) },
  { label: 'even, slots of no expert', experts: thinned(slots(2, 4, 2)) },
  { label: 'even, none of any expert', experts: thinned(slots(2, 2, 1)) },
  { label: 'even, more rows than a block', experts: slots(2, 300, 1, true), width: 2 },
];
export const groupedSamples = groupedCases.flatMap(({ label, experts, width }) => {
  const [inputs, outputs] = width === undefined ? [6, 4] : [width, width];
  const [b, s, k] = experts.shape as [number, number, number];
  return (['out,in', 'in,out'] as const).flatMap((order) =>
    (['tokens', 'slots'] as const).flatMap((from) =>
      (['tokens', 'slots'] as const)
        .filter(() => width === undefined || (order === 'out,in' && from === 'tokens'))
        .map((into) =>
          sample(
            `${label}, ${from} to ${into}, ${order}`,
            [
              floats([b, s, ...(from === 'slots' ? [k] : []), inputs]),
              experts,
              floats(order === 'out,in' ? [5, outputs, inputs] : [5, inputs, outputs]),
            ],
            { order, into, ...filledOf(experts) },
          ),
        ),
    ),
  );
});
export const outerSamples = groupedCases.flatMap(({ label, experts, width }) => {
  const [b, s, k] = experts.shape as [number, number, number];
  const rows = (from: string, features: number) => floats([b, s, ...(from === 'slots' ? [k] : []), features]);
  return ['tokens slots', 'slots tokens', 'slots slots'].map((from) => {
    const [a, other] = from.split(' ') as [string, string];
    const attrs = { experts: 5, ...filledOf(experts) };
    return sample(`${label}, ${from}`, [rows(a, width ?? 4), rows(other, width ?? 6), experts], attrs);
  });
});

const ints = (shape: readonly number[], data: readonly number[]): Operand => ({
  shape,
  dtype: 'int',
  data: Float64Array.from(data),
});

/** Experts of 6 on three ranks; some slots have none. */
const wanted = ints([2, 4, 2], [5, 0, 1, 3, -1, -1, 2, 5, 4, -1, 0, 1, 3, 5, -1, 2]);
export const sendSamples = [
  sample('even, some of none', [wanted], { ranks: 3, each: 2, room: wanted.data.length }),
  sample('all on one rank', [ints([1, 3, 1], [1, 0, 1])], { ranks: 2, each: 2, room: 3 }),
  sample('none', [ints([1, 2, 1], [-1, -1])], { ranks: 2, each: 1, room: 2 }),
  sample('room for fewer than all', [ints([2, 2, 3], [0, -1, -1, -1, 1, -1, 2, 0, -1, -1, -1, 1])], {
    ...{ ranks: 1, each: 3, room: 6 },
  }),
];

/** Slots [2, 4, 2] in some order, three of them left out. */
const order = ints([2, 4, 2], [3, 14, 0, 7, 1, 9, 10, 4, 15, 2, 12, 5, 8, -1, -1, -1]);
const sentCounts = ints([1, 1, 2], [6, 7]);
const ofTokens = floats([2, 4, 6]);
const ofSlots = floats([2, 4, 2, 6]);
export const packSamples = [
  sample('even, tokens, once for each of their slots', [ofTokens, order, sentCounts], { room: 16 }),
  sample('even, slots', [ofSlots, order, sentCounts], { room: 16 }),
  sample('tokens, room for those that are sent', [ofTokens, order, sentCounts], { room: 13 }),
  sample('slots, room for those that are sent', [ofSlots, order, sentCounts], { room: 13 }),
];
export const unpackSamples = [
  sample('even, into tokens', [floats([1, 16, 6]), order, sentCounts]),
  sample('even, into slots', [floats([1, 16, 1, 6]), order, sentCounts]),
  sample('into slots, of fewer rows', [floats([1, 13, 1, 6]), order, sentCounts]),
];
export const usedSamples = [
  sample('even, more than half', [ints([1, 8, 1], [0, 1, 1, 0, 2, 0, 1, 1]), ints([1, 1, 2], [3, 2])]),
  sample('all', [ints([1, 4, 1], [0, 1, 1, 0]), ints([1, 1, 2], [1, 3])]),
  sample('none', [ints([1, 2, 1], [0, 1]), ints([1, 1, 2], [0, 0])]),
];
export const countSamples = groupedCases.flatMap(({ label, experts }) =>
  ['sequences', 'all'].map((of) => sample(`${label}, of ${of}`, [experts], { experts: 5, of })),
);
export const doublesSamples = [
  sample('even, doubles', [doubles(1, 2, 3, 4), doubles(5, 6, 7, 8)]),
  sample('a float', [doubles(3), floats([1])]),
];
export const capacitySamples = [
  { label: 'even, in order', experts: slots(2, 4, 2), at: (token: number) => token, of: () => 0, most: 1 },
  { label: 'even, backwards', experts: slots(2, 4, 2, true), at: (token: number) => 3 - token, of: () => 0, most: 2 },
  {
    label: 'documents in pieces',
    experts: slots(1, 6, 2, true),
    at: (i: number) => [1, 0, 0, 2, 1, 0][i]!,
    of: (i: number) => [1, 1, 0, 0, 0, 2][i]!,
    most: 3,
  },
  { label: 'room for all', experts: slots(1, 3, 1), at: (token: number) => token, of: () => 0, most: 9 },
].map(({ label, experts, at, of, most }) => {
  const [b, s] = experts.shape as [number, number, number];
  return sample(label, [experts, places(b, s, at), places(b, s, of)], { experts: 5, most });
});
export const choiceSamples = (['softmax', 'sigmoid'] as const).flatMap((scores) => {
  const logits = floats([2, 4, 5], 3);
  // The first two tokens are alike.
  logits.data.copyWithin(5, 0, 5);
  return [1, 3, 4].map((most) =>
    sample(`even, ${most} by ${scores}`, [logits, places(2, 4, (token) => 3 - token), places(2, 4, () => 0)], {
      scores,
      most,
    }),
  );
});
export const weightSamples = [false, true].flatMap((normalised) =>
  (['softmax', 'sigmoid'] as const).map((scores) =>
    sample(
      `even, some of no expert, ${scores}${normalised ? ', normalised' : ''}`,
      [floats([2, 4, 5], 3), thinned(slots(2, 4, 2))],
      { perToken: 2, scores, normalised },
    ),
  ),
);
export const moveSamples = [
  sample('even, two layers', [floats([9]), doubles(3, 1, 2, 2, 9, 0, 5, 5, 5)], {
    rows: [
      { bias: 0, load: 0, experts: 4 },
      { bias: 5, load: 5, experts: 3 },
    ],
    rate: 0.25,
  }),
];
const balanceCases = (['softmax', 'sigmoid'] as const).flatMap((scores) =>
  [
    { label: 'even', shape: [2, 4, 5] },
    { label: 'one expert', shape: [2, 3, 1] },
    { label: 'one token', shape: [1, 1, 4] },
  ].map(({ label, shape }) => ({
    label: `${label}, ${scores}`,
    operands: [floats(shape, 3), positive([shape[0]!, shape[2]!])],
    attrs: { scores, by: 0.3 },
  })),
);
export const balanceSamples = balanceCases.map(({ label, operands, attrs }) => sample(label, operands, attrs));
export const balanceGradSamples = balanceCases.map(({ label, operands, attrs }) =>
  sample(label, [floats([1]), ...operands], attrs),
);
const zCases = [
  { label: 'even', logits: floats([2, 4, 6], 3) },
  { label: 'one expert', logits: floats([1, 3, 1], 3) },
];
export const zSamples = zCases.map(({ label, logits }) => sample(label, [logits], { by: 0.4 }));
export const zGradSamples = zCases.map(({ label, logits }) => sample(label, [floats([1]), logits], { by: 0.4 }));
