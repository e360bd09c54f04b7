// Calls of the kernel model a second, by kind of kernel, in time of the processor: `npx tsx bench/kernel-seconds.ts`. Judged: 5 million of all.
import type { KernelFormats } from '../src/plan/cost/cost-model.ts';
import { kernelSeconds } from '../src/plan/cost/kernels.ts';
import { deviceOf } from '../src/plan/hardware/catalogue/devices.ts';
import type { KernelKind, KernelShape } from '../src/program/kernel-shape.ts';

const calls = 2_000_000;
const mark = 5e6;

/** Shapes of layers of a thousand sizes. */
const shapes = Array.from({ length: 512 }, (_, i): KernelShape[] => {
  const [m, n, k, queries] = [1024 + 128 * i, 4096 + 64 * i, 1024 + 32 * i, 1024 + i];
  const heads = { batch: 1, heads: 32, kvHeads: 8, headDim: 128, valueDim: 128 };
  const seen = { queries, keys: queries, scores: (queries * (queries + 1)) / 2 };
  return [
    { kind: 'matmul', batch: 1, m, n, k },
    { kind: 'matmul', batch: 1, m: k, n, k: m, accumulates: true },
    { kind: 'memory', floats: m * n, bytes: 0 },
    { kind: 'attention', pass: i % 2 ? 'forward' : 'backward', ...heads, ...seen },
    { kind: 'grouped', groups: 8, rows: m, n, k },
  ];
}).flat();
const devices = [deviceOf('h100'), deviceOf('b200')] as const;
const formats: readonly [KernelFormats, KernelFormats] = [
  { products: 'bf16', activations: 'bf16' },
  { products: 'fp8', activations: 'bf16' },
];

/** The second of two rounds: the first warms the code up. */
function callsPerSecond(of: readonly KernelShape[]): number {
  let perSecond = 0;
  for (let round = 0; round < 2; round++) {
    const start = process.cpuUsage();
    let sum = 0;
    for (let i = 0; i < calls; i++)
      sum += kernelSeconds(of[i % of.length]!, devices[(i & 1) as 0 | 1], formats[((i >> 1) & 1) as 0 | 1]);
    if (!(sum > 0)) throw new Error('kernels took no time');
    perSecond = calls / (process.cpuUsage(start).user / 1e6);
  }
  return perSecond;
}

for (const kind of ['matmul', 'grouped', 'attention', 'memory'] as const satisfies readonly KernelKind[]) {
  const perSecond = callsPerSecond(shapes.filter((shape) => shape.kind === kind));
  console.log(`${kind.padEnd(10)} ${(perSecond / 1e6).toFixed(1)} million a second`);
}
const all = callsPerSecond(shapes);
console.log(`${'all'.padEnd(10)} ${(all / 1e6).toFixed(1)} million a second${all < mark ? ', fewer than 5' : ''}`);
process.exitCode = all < mark ? 1 : 0;
