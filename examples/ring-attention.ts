// Ring attention: tokens are cut over four ranks, keys and values go round, and each rank merges what it finds. The same program on one
// rank is attention over all tokens: outputs and gradients are compared. Run it with `npx tsx examples/ring-attention.ts`.
import { type Mesh, oneRank, runProgram } from 'fivefold';
import {
  dualTypes,
  enterLocal,
  finish,
  finishAttention,
  grad,
  input,
  leaveLocal,
  mergeAttention,
  type Program,
  partialAttention,
  ringShift,
  type Trace,
  type Value,
} from 'fivefold/program';

const [tokens, heads, headDim] = [64, 2, 16];

/** q, k, v [1, heads, tokens / cp, 1, headDim] of this rank's tokens, and where those stand -> out like q, and the gradients. */
function ringAttention(trace: Trace): Program {
  const { cp } = trace.mesh;
  const float = () => input(trace, [1, heads, tokens / cp, 1, headDim], { cp: 'V2' });
  const int = () => input(trace, [1, tokens / cp], { cp: 'V1' }, 'int');
  const given = { q: float(), k: float(), v: float(), positions: int(), documents: int() };
  const [q, ...own] = Object.values(given).map((x) => enterLocal(x, 'cp')) as [Value, Value, Value, Value, Value];
  const attend = ([k, v, positions, documents]: readonly Value[]) => {
    const places = {
      queries: { positions: own[2], documents: own[3] },
      keys: { positions: positions!, documents: documents! },
    };
    return partialAttention(q, k!, v!, places, { scale: 1 / Math.sqrt(headDim) });
  };
  let passing: readonly Value[] = own;
  let found = attend(passing);
  for (let step = 1; step < cp; step++) {
    passing = passing.map((x) => ringShift(x, 'cp', 1));
    found = mergeAttention(found, attend(passing));
  }
  const out = leaveLocal(finishAttention(found), 'cp', 'V2');
  const dout = input(trace, out.shape, dualTypes(out.types));
  const [dq, dk, dv] = grad(trace, [{ value: out, gradient: dout }], [given.q, given.k, given.v]);
  return finish(trace, { ...given, dout }, { out, dq: dq!, dk: dk!, dv: dv! });
}

/** A rank's tokens of [1, heads, tokens, 1, headDim]. */
const tokensOf = (whole: Float64Array, ranks: number, rank: number): Float64Array =>
  whole.filter((_, index) => Math.floor((Math.floor(index / headDim) % tokens) / (tokens / ranks)) === rank);

async function attention(mesh: Mesh) {
  const numbers = (seed: number) =>
    Float64Array.from({ length: heads * tokens * headDim }, (_, i) => Math.sin(seed * i));
  const inputs = Array.from({ length: mesh.cp }, (_, rank) => {
    const own = (seed: number) => tokensOf(numbers(seed), mesh.cp, rank);
    const positions = Array.from({ length: tokens / mesh.cp }, (_, i) => (rank * tokens) / mesh.cp + i);
    return { q: own(1), k: own(2), v: own(3), dout: own(4), positions, documents: positions.map(() => 0) };
  });
  return runProgram({ mesh, write: ringAttention, inputs, precision: 'f64' });
}

const [whole] = await attention(oneRank);
const ranks = await attention({ ...oneRank, cp: 4 });
for (const name of ['out', 'dq', 'dk', 'dv']) {
  const differences = ranks.flatMap((own, rank) => {
    const expected = tokensOf(whole![name] as Float64Array, ranks.length, rank);
    return [...own[name]!].map((value, index) => Math.abs(value - expected[index]!));
  });
  console.log(`${name}: 4 ranks differ from one by ${Math.max(...differences).toExponential(1)} at most`);
}
