// Data-parallel training of a 784-512-256-10 classifier on digits that it draws itself. Run it with `npx tsx examples/classifier.ts`.
import { compileProgram, coordsOf, isRank, oneRank, printScaling, runRanks, type Transport } from 'fivefold';
import * as typed from 'fivefold/program';

const { add, allReduce, finish, gelu, grad, input, linear, scale, startTrace, tokenLoss, vocabMax, vocabStats } = typed;

const sizes = [784, 512, 256, 10] as const;
const [batch, steps, learningRate] = [128, 60, 0.1];
/** Of each digit: seven rows of five dots, a letter of base 32 a row. */
const shapes = 'ehhhhhe 4c4444e eh1248v v2421he 26aiv22 vgu11he 68guhhe v124888 ehhehhe ehhf12c'.split(' ');
/** A number in [0, 1) as if at random, the same for the same n. */
const random = (n: number): number => Math.abs((Math.sin(n) * 1e5) % 1);

/** Digits of 28 by 28 pixels from number `first` on, three pixels a dot, shifted and under noise. */
function draw(first: number, count: number) {
  const targets = Int32Array.from({ length: count }, (_, i) => 10 * random(3 * (first + i)));
  const x = Float32Array.from({ length: count * 784 }, (_, at) => {
    const i = Math.floor(at / 784);
    const shift = (n: number) => 3 + Math.floor(5 * random(3 * (first + i) + n));
    const row = Math.floor((Math.floor((at % 784) / 28) - shift(1)) / 3);
    const dots = Number.parseInt(shapes[targets[i]!]![row] ?? '0', 32);
    return ((dots >> (4 - Math.floor(((at % 28) - shift(2)) / 3))) & 1) + random(first + at / 784) - 0.5;
  });
  return { x, targets };
}

const named = <T>(list: readonly T[]): Record<string, T> => Object.fromEntries(list.map((each, i) => [`w${i}`, each]));

/** A step of SGD. Each rank has a share of the batch, so gradients are partial on dp: by their type they are summed. */
function trainingStep(trace: typed.Trace): typed.Program {
  const ofBatch = (...shape: number[]) => input(trace, [batch / trace.mesh.dp, ...shape], { dp: 'V0' });
  const targets = input(trace, [batch / trace.mesh.dp, 1], { dp: 'V0' }, 'int');
  const [x, counts, one] = [ofBatch(1, 784), ofBatch(1), input(trace, [1], {})];
  const w = sizes.slice(1).map((out, i) => input(trace, [out, sizes[i]!], {}));
  const logits = linear(gelu(linear(gelu(linear(x, w[0]!)), w[1]!)), w[2]!);
  const stats = vocabStats(logits, targets, vocabMax(logits, { valid: 10 }), { valid: 10, offset: 0 });
  const loss = tokenLoss(stats, counts, one);
  const sum = (v: typed.Value) => allReduce(v, v.types.dp === 'P' ? ['dp'] : [], 'R');
  const gradients = grad(trace, [{ value: loss, gradient: one }], w);
  const updated = w.map((each, i) => add(each, scale(sum(gradients[i]!), -learningRate)));
  return finish(trace, { x, targets, counts, one, ...named(w) }, { logits, loss: sum(loss), ...named(updated) });
}

/** Trains, and returns the share of held-out digits that it tells right of its own, and the seconds that training took. */
export function rank(transport: Transport, mesh: typed.Mesh, report: (line: string) => void) {
  const program = trainingStep(startTrace(mesh, coordsOf(mesh, transport.rank)));
  const { inputs, outputs, run } = compileProgram(program, { transport });
  inputs.counts!.fill(1 / batch);
  inputs.one!.fill(1);
  const w = [inputs.w0!, inputs.w1!, inputs.w2!];
  for (const [i, own] of w.entries()) own.set(own.map((_, at) => (2 * random(at + i) - 1) * Math.sqrt(3 / sizes[i]!)));
  const [start, share] = [performance.now(), batch / mesh.dp];
  const runOn = (first: number): void => {
    const digits = Object.entries(draw(first + transport.rank * share, share));
    for (const [name, numbers] of digits) inputs[name]!.set(numbers);
    run();
  };
  for (let step = 1; step <= steps; step++) {
    runOn(step * batch);
    for (const [i, own] of w.entries()) own.set(outputs[`w${i}`]!);
    if (transport.rank === 0 && step % 20 === 0) report(`  step ${step}: loss ${outputs.loss![0]!.toFixed(3)}`);
  }
  const seconds = (performance.now() - start) / 1000;
  runOn(1e6);
  const scores = (i: number) => outputs.logits!.subarray(10 * i, 10 * i + 10);
  const right = inputs.targets!.filter((digit, i) => scores(i)[digit] === Math.max(...scores(i)));
  return { right: right.length / share, seconds };
}

const seconds: number[] = [];
for (const dp of isRank ? [] : [1, 2]) {
  const jobs = Array.from({ length: dp }, () => ({ ...oneRank, dp }));
  const options = { mesh: jobs[0], onReport: (_: number, line: string) => console.log(line) };
  const ranks = await runRanks<ReturnType<typeof rank>, string>(import.meta.url, jobs, options);
  const right = ranks.reduce((sum, each) => sum + each.right / dp, 0);
  console.log(`dp=${dp}: ${(100 * right).toFixed(1)} % of ${batch} held-out digits are right`);
  seconds.push(Math.max(...ranks.map((each) => each.seconds)));
}
if (!isRank) console.log(printScaling(2, seconds[1]!, seconds[0]!));
