// Which experts a token goes to, and with what weights, from the router's logits; and the gradient of those weights.
import type { Op, TensorShape, Value } from '../program/program.ts';
import { expectShape } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { eachToken, type Scores, unscored } from './router-scores.ts';
import { float, lastDim, ndarray, rowsOf } from './shapes.ts';

export interface Routing {
  /** Experts of a token. */
  readonly perToken: number;
  readonly scores: Scores;
  /** Whether the weights of a token's experts are divided by their sum. */
  readonly normalised: boolean;
  /** Its experts are of some groups alone; undefined: of all. */
  readonly groups?: Groups;
}

/** Experts in groups of equal size, side by side, of which a token chooses some first (DeepSeek-AI, "DeepSeek-V2", 2024). */
export interface Groups {
  readonly count: number;
  readonly kept: number;
  /** What groups are compared by: the best score of their experts, or the sum of the best two. */
  readonly by: 'best' | 'best two';
}

type Floats = { [index: number]: number; readonly length: number };

function expectLogits(logits: TensorShape, { perToken, groups }: Routing): void {
  expectShape(logits.shape.length === 3, `needs logits [b, s, experts], got [${logits.shape}]`);
  const experts = lastDim(logits.shape);
  expectShape(perToken >= 1 && perToken <= experts, `${perToken} experts a token of ${experts}; use 1 to ${experts}`);
  const { count, kept } = groups ?? { count: 1, kept: 1 };
  expectShape(
    experts % count === 0 && kept <= count && (experts / count) * kept >= perToken,
    `${kept} of ${count} groups of ${experts} experts for ${perToken} a token; groups must be equal, and those kept have as many`,
  );
}

/** The sum of the scores of a token's experts, where its weights are divided by it. */
function divisorOf(chosen: readonly number[], scores: Float64Array, { normalised }: Routing): number {
  return normalised ? chosen.reduce((sum, expert) => sum + (expert < 0 ? 0 : scores[expert]!), 0) : 1;
}

/** Best first; of equal scores the expert that comes first. */
function bestOf(scores: Float64Array, count: number): number[] {
  const best: number[] = [];
  for (let place = 0; place < count; place++) {
    let found = -1;
    for (let i = 0; i < scores.length; i++)
      if (!best.includes(i) && (found < 0 || scores[i]! > scores[found]!)) found = i;
    best.push(found);
  }
  return best;
}

/** Leaves out all experts but those of the groups that are best, in place. */
function keepGroups(choice: Float64Array, { count, kept, by }: Groups): void {
  const each = choice.length / count;
  const members = (group: number) => choice.subarray(group * each, (group + 1) * each);
  const scores = Float64Array.from({ length: count }, (_, group) => {
    const [first = 0, second = 0] = bestOf(members(group), Math.min(2, each)).map((at) => members(group)[at]!);
    return by === 'best' ? first : first + second;
  });
  const best = bestOf(scores, kept);
  for (let group = 0; group < count; group++) if (!best.includes(group)) members(group).fill(Number.NEGATIVE_INFINITY);
}

type Chosen = readonly [weights: Floats, experts: Floats];

function route(
  logits: ArrayLike<number>,
  bias: ArrayLike<number> | undefined,
  experts: number,
  attrs: Routing,
  [weights, chosen]: Chosen,
): void {
  const { perToken } = attrs;
  const choice = new Float64Array(experts);
  eachToken(logits, experts, attrs.scores, (token, scores) => {
    for (let i = 0; i < experts; i++) choice[i] = scores[i]! + (bias ? bias[i]! : 0);
    if (attrs.groups) keepGroups(choice, attrs.groups);
    const best = bestOf(choice, perToken);
    const divisor = divisorOf(best, scores, attrs);
    for (const [place, expert] of best.entries()) {
      weights[token * perToken + place] = scores[expert]! / divisor;
      chosen[token * perToken + place] = expert;
    }
  });
}

type Given = readonly [dWeights: ArrayLike<number>, logits: ArrayLike<number>, chosen: ArrayLike<number>];

function routeBack([dWeights, logits, chosen]: Given, experts: number, attrs: Routing, dLogits: Floats): void {
  const { perToken } = attrs;
  const gradient = new Float64Array(experts);
  const places = Array.from({ length: perToken }, (_, i) => i);
  eachToken(logits, experts, attrs.scores, (token, scores) => {
    const best = places.map((place) => chosen[token * perToken + place]!);
    const given = places.map((place) => dWeights[token * perToken + place]!);
    const divisor = divisorOf(best, scores, attrs);
    // w = score / sum: a score also lowers the weights of the others. The weight of one expert alone is 1, and its gradient 0, exactly.
    const share = (expert: number) => (expert < 0 ? 0 : scores[expert]! / divisor);
    const common = attrs.normalised ? given.reduce((sum, g, i) => sum + g * share(best[i]!), 0) : 0;
    gradient.fill(0);
    for (const [place, expert] of best.entries())
      if (expert >= 0) gradient[expert] = (given[place]! - common) / divisor;
    unscored[attrs.scores](gradient, scores);
    for (let i = 0; i < experts; i++) dLogits[token * experts + i] = gradient[i]!;
  });
}

/**
 * Operands: logits [b, s, experts]; if there is one, a bias [experts] that is added to scores where experts are chosen.
 * Results: weights [b, s, perToken, 1]; experts [b, s, perToken], which have no gradient.
 */
const routeOp: Op<Routing> = {
  name: 'route',
  shape: ([logits, bias], attrs) => {
    expectLogits(logits!, attrs);
    const experts = lastDim(logits!.shape);
    if (bias) expectShape(bias.shape.join() === `${experts}`, `needs a bias [${experts}], got [${bias.shape}]`);
    const slots = [...logits!.shape.slice(0, 2), attrs.perToken];
    return [float([...slots, 1]), { shape: slots, dtype: 'int' }];
  },
  typing: ([, bias]) => ({ dims: `b s e!${bias ? ', e!' : ''} -> b s k 1, b s k` }),
  vjp: ({ node: { inputs, outputs, attrs }, gradients: [g] }) => [
    apply(routeGradOp, [g!, inputs[0]!, outputs[1]!], attrs)[0],
    undefined,
  ],
  execution: {
    by: 'host',
    run: ([logits, bias], [weights, chosen], attrs, { inputs }) =>
      route(logits!, bias, lastDim(inputs[0]!.shape), attrs, [weights!, chosen!]),
  },
  reference: ([logits, bias], { perToken, scores, normalised, groups }) => {
    const [b, s, experts] = logits!.shape as [number, number, number];
    const weights = { shape: [b, s, perToken, 1], data: new Float64Array(b * s * perToken) };
    const chosen = { shape: [b, s, perToken], data: new Float64Array(b * s * perToken) };
    for (let token = 0; token < rowsOf(logits!.shape); token++) {
      const exponentials = [...logits!.data.subarray(token * experts, (token + 1) * experts)].map(Math.exp);
      const all = exponentials.reduce((sum, each) => sum + each, 0);
      const score = exponentials.map((each) => each / (scores === 'softmax' ? all : 1 + each));
      const choice = score.map((each, expert) => each + (bias ? bias.data[expert]! : 0));
      const each = groups ? experts / groups.count : experts;
      const ofGroup = (group: number) => {
        const [first = 0, second = 0] = choice.slice(group * each, (group + 1) * each).sort((x, y) => y - x);
        return groups?.by === 'best' ? first : first + second;
      };
      const kept = Array.from({ length: experts / each }, (_, group) => group)
        .sort((x, y) => ofGroup(y) - ofGroup(x) || x - y)
        .slice(0, groups?.kept ?? 1);
      const best = score
        .map((_, expert) => expert)
        .filter((expert) => kept.includes(Math.floor(expert / each)))
        .sort((x, y) => choice[y]! - choice[x]! || x - y)
        .slice(0, perToken);
      const sum = normalised ? best.reduce((total, expert) => total + score[expert]!, 0) : 1;
      weights.data.set(
        best.map((expert) => score[expert]! / sum),
        token * perToken,
      );
      chosen.data.set(best, token * perToken);
    }
    return [weights, chosen];
  },
};

const routeGradOp: Op<Routing> = {
  name: 'routeGrad',
  shape: ([, logits], attrs) => {
    expectLogits(logits!, attrs);
    return [float(logits!.shape)];
  },
  typing: { dims: 'b s k! 1, b s e!, b s k! -> b s e', linear: [0] },
  execution: {
    by: 'host',
    run: ([dWeights, logits, chosen], [dLogits], attrs, { inputs }) =>
      routeBack([dWeights!, logits!, chosen!], lastDim(inputs[1]!.shape), attrs, dLogits!),
  },
  reference: ([dWeights, logits, chosen], { perToken, scores, normalised }) => {
    // By the matrix of all derivatives of a token: of weights by scores, and of scores by logits.
    const experts = lastDim(logits!.shape);
    const gradient = { shape: logits!.shape, data: new Float64Array(logits!.data.length) };
    for (let token = 0; token < rowsOf(logits!.shape); token++) {
      const exponentials = [...logits!.data.subarray(token * experts, (token + 1) * experts)].map(Math.exp);
      const all = exponentials.reduce((sum, each) => sum + each, 0);
      const score = exponentials.map((each) => each / (scores === 'softmax' ? all : 1 + each));
      const own = [...chosen!.data.subarray(token * perToken, (token + 1) * perToken)].filter((expert) => expert >= 0);
      const placeOf = (expert: number) => chosen!.data.indexOf(expert, token * perToken);
      const sum = own.reduce((total, expert) => total + score[expert]!, 0);
      const byScore = (of: number, by: number) =>
        normalised ? (of === by ? 1 / sum : 0) - score[of]! / sum ** 2 : of === by ? 1 : 0;
      const byLogit = (of: number, by: number) =>
        scores === 'softmax'
          ? score[of]! * ((of === by ? 1 : 0) - score[by]!)
          : of === by
            ? score[of]! * (1 - score[of]!)
            : 0;
      for (let by = 0; by < experts; by++)
        for (const of of own)
          for (const through of own)
            gradient.data[token * experts + by]! +=
              dWeights!.data[placeOf(of)]! * byScore(of, through) * byLogit(through, by);
    }
    return [gradient];
  },
};

/** Operands: logits [b, s, experts] and the experts of slots [b, s, k], of which -1 is none and weighs nothing. */
const slotWeightsOp: Op<Routing> = {
  name: 'slotWeights',
  shape: ([logits, chosen], attrs) => {
    expectLogits(logits!, attrs);
    const slots = [...logits!.shape.slice(0, 2), attrs.perToken];
    expectShape(chosen!.shape.join() === slots.join(), `needs experts [${slots}], got [${chosen!.shape}]`);
    return [float([...slots, 1])];
  },
  typing: { dims: 'b s e!, b s k! -> b s k 1' },
  vjp: ({ node: { inputs, attrs }, gradients: [g] }) => [
    apply(routeGradOp, [g!, inputs[0]!, inputs[1]!], attrs)[0],
    undefined,
  ],
  execution: {
    by: 'host',
    run: ([logits, chosen], [weights], attrs, { inputs }) => {
      const { perToken } = attrs;
      eachToken(logits!, lastDim(inputs[0]!.shape), attrs.scores, (token, scores) => {
        const own = Array.from(chosen!.subarray(token * perToken, (token + 1) * perToken));
        const divisor = divisorOf(own, scores, attrs);
        for (const [place, expert] of own.entries())
          weights![token * perToken + place] = expert < 0 ? 0 : scores[expert]! / divisor;
      });
    },
  },
  reference: ([logits, chosen], { perToken, scores, normalised }) => {
    const experts = lastDim(logits!.shape);
    const score = (token: number, expert: number) => {
      const row = logits!.data.subarray(token * experts, (token + 1) * experts);
      const all = scores === 'softmax' ? row.reduce((sum, z) => sum + Math.exp(z), 0) : 1 + Math.exp(row[expert]!);
      return expert < 0 ? 0 : Math.exp(row[expert]!) / all;
    };
    return [
      ndarray([...chosen!.shape, 1], (slot) => {
        const token = Math.floor(slot / perToken);
        const own = chosen!.data.subarray(token * perToken, (token + 1) * perToken);
        const sum = normalised ? own.reduce((total, expert) => total + score(token, expert), 0) : 1;
        return chosen!.data[slot]! < 0 ? 0 : score(token, chosen!.data[slot]!) / sum;
      }),
    ];
  },
};

/** Where the tokens [b, s] go: each to its experts [b, s, perToken], with weights [b, s, perToken, 1]. */
export interface Routes {
  readonly weights: Value;
  readonly experts: Value;
}

/**
 * Logits [b, s, experts] -> the experts with the highest scores, best first. Of equal scores the expert that comes first is taken, so
 * that layouts whose logits differ by rounding may take another one where two are that near. A bias [experts] is added to scores for the
 * choice alone, and has no gradient.
 */
export function routes(logits: Value, attrs: Routing, bias?: Value): Routes {
  const [weights, experts] = apply(routeOp, bias ? [logits, bias] : [logits], attrs);
  return { weights: weights!, experts: experts! };
}

/** Logits [b, s, experts] and the experts of slots [b, s, perToken] -> what each slot counts [b, s, perToken, 1]; one of expert -1 nothing. */
export const slotWeights = (logits: Value, experts: Value, attrs: Routing): Value =>
  apply(slotWeightsOp, [logits, experts], attrs)[0]!;

export const routeOps = { routeOp, routeGradOp, slotWeightsOp };
