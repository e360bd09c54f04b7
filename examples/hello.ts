// The smallest tour: a layer written once, as the program one rank runs, for one rank and for two; with its gradients.
// Run it with `npx tsx examples/hello.ts`.
import {
  allReduce,
  coordsOf,
  dualTypes,
  enter,
  finish,
  gelu,
  grad,
  input,
  linear,
  type Mesh,
  print,
  startTrace,
} from 'fivefold/program';

/** An MLP of 8 features, 32 hidden, its columns and then its rows cut over tp. Without the allReduce tracing refuses it. */
function mlp(tp: number): string {
  const mesh: Mesh = { tp, cp: 1, ep: 1, dp: 1, pp: 1 };
  const trace = startTrace(mesh, coordsOf(mesh, 0));
  const x = input(trace, [1, 4, 8], { tp: 'I' });
  const up = input(trace, [32 / tp, 8], { tp: 'V0' });
  const down = input(trace, [8, 32 / tp], { tp: 'V1' });
  const partial = linear(gelu(linear(enter(x, 'tp'), up)), down);
  const y = allReduce(partial, 'tp', 'I');
  const dy = input(trace, y.shape, dualTypes(y.types));
  const [dx, dUp, dDown] = grad(trace, [{ value: y, gradient: dy }], [x, up, down]);
  return print(finish(trace, { x, up, down, dy }, { y, dx: dx!, dUp: dUp!, dDown: dDown! }));
}

console.log(`On one rank:\n${mlp(1)}\n`);
console.log(`On each of two:\n${mlp(2)}`);
