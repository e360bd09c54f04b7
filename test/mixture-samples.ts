// Small operands for the ops of mixtures of experts.
import type { Routing } from '../src/ops/route.ts';
import { floats, type Operand, sample } from './operands.ts';

const routings: readonly Routing[] = [
  { perToken: 1, scores: 'softmax', normalised: false },
  { perToken: 2, scores: 'softmax', normalised: true },
  { perToken: 4, scores: 'softmax', normalised: false },
  { perToken: 2, scores: 'sigmoid', normalised: true },
  { perToken: 3, scores: 'sigmoid', normalised: false },
  { perToken: 5, scores: 'softmax', normalised: true },
];
export const routeSamples = routings.map((attrs) =>
  sample(
    `even, top ${attrs.perToken} by ${attrs.scores}${attrs.normalised ? ', normalised' : ''}`,
    [floats([2, 4, 5], 3)],
    attrs,
  ),
);

/** Of 5 experts, all different in a token; with `hot`, one has every token and the others few. */
const slots = (batch: number, length: number, perToken: number, hot = false): Operand => ({
  shape: [batch, length, perToken],
  dtype: 'int',
  data: Float64Array.from({ length: batch * length * perToken }, (_, i) => {
    const [token, place] = [Math.floor(i / perToken), i % perToken];
    return hot && place === 0 ? 3 : (3 + (hot ? 1 : token * 2) + place + (hot ? token % 2 : 0)) % 5;
  }),
});
const groupedCases = [
  { label: 'even', experts: slots(2, 4, 2) },
  { label: 'even, most of one expert', experts: slots(2, 4, 2, true) },
  { label: 'one expert a token', experts: slots(1, 3, 1) },
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
            { order, into },
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
    return sample(`${label}, ${from}`, [rows(a, width ?? 4), rows(other, width ?? 6), experts], { experts: 5 });
  });
});
