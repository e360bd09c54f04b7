// Kernels of one rank on its private memory (AssemblyScript, Wasm SIMD): AdamW, sums of squares, counter-based normal numbers.

// --- AdamW: p -= lr wd p; m, v are the moving moments of g; p -= lr (m / bc1) / (sqrt(v / bc2) + eps) -------------------------

export function adamwF32(
  p: usize, g: usize, m: usize, v: usize, n: usize,
  lr: f64, beta1: f64, beta2: f64, eps: f64, weightDecay: f64, biasCorrection1: f64, biasCorrection2: f64, gradScale: f64,
): void {
  const keep: f32 = <f32>(1 - lr * weightDecay);
  const step: f32 = <f32>(lr / biasCorrection1);
  const root: f32 = <f32>Math.sqrt(biasCorrection2);
  const b1: f32 = <f32>beta1;
  const b2: f32 = <f32>beta2;
  const c1: f32 = <f32>(1 - beta1);
  const c2: f32 = <f32>(1 - beta2);
  const e: f32 = <f32>eps;
  const s: f32 = <f32>gradScale;
  const keeps = f32x4.splat(keep);
  const steps = f32x4.splat(step);
  const roots = f32x4.splat(root);
  const b1s = f32x4.splat(b1);
  const b2s = f32x4.splat(b2);
  const c1s = f32x4.splat(c1);
  const c2s = f32x4.splat(c2);
  const es = f32x4.splat(e);
  const ss = f32x4.splat(s);
  let i: usize = 0;
  const end16 = (n & ~3) << 2;
  for (; i < end16; i += 16) {
    const grad = f32x4.mul(v128.load(g + i), ss);
    const first = f32x4.add(f32x4.mul(b1s, v128.load(m + i)), f32x4.mul(c1s, grad));
    const second = f32x4.add(f32x4.mul(b2s, v128.load(v + i)), f32x4.mul(c2s, f32x4.mul(grad, grad)));
    v128.store(m + i, first);
    v128.store(v + i, second);
    const scale = f32x4.add(f32x4.div(f32x4.sqrt(second), roots), es);
    const kept = f32x4.mul(v128.load(p + i), keeps);
    v128.store(p + i, f32x4.sub(kept, f32x4.div(f32x4.mul(steps, first), scale)));
  }
  for (const end = n << 2; i < end; i += 4) {
    const grad = load<f32>(g + i) * s;
    const first = b1 * load<f32>(m + i) + c1 * grad;
    const second = b2 * load<f32>(v + i) + c2 * (grad * grad);
    store<f32>(m + i, first);
    store<f32>(v + i, second);
    const scale = sqrt<f32>(second) / root + e;
    store<f32>(p + i, load<f32>(p + i) * keep - (step * first) / scale);
  }
}

export function adamwF64(
  p: usize, g: usize, m: usize, v: usize, n: usize,
  lr: f64, beta1: f64, beta2: f64, eps: f64, weightDecay: f64, biasCorrection1: f64, biasCorrection2: f64, gradScale: f64,
): void {
  const keep = 1 - lr * weightDecay;
  const step = lr / biasCorrection1;
  const root = Math.sqrt(biasCorrection2);
  const c1 = 1 - beta1;
  const c2 = 1 - beta2;
  const keeps = f64x2.splat(keep);
  const steps = f64x2.splat(step);
  const roots = f64x2.splat(root);
  const b1s = f64x2.splat(beta1);
  const b2s = f64x2.splat(beta2);
  const c1s = f64x2.splat(c1);
  const c2s = f64x2.splat(c2);
  const es = f64x2.splat(eps);
  const ss = f64x2.splat(gradScale);
  let i: usize = 0;
  const end16 = (n & ~1) << 3;
  for (; i < end16; i += 16) {
    const grad = f64x2.mul(v128.load(g + i), ss);
    const first = f64x2.add(f64x2.mul(b1s, v128.load(m + i)), f64x2.mul(c1s, grad));
    const second = f64x2.add(f64x2.mul(b2s, v128.load(v + i)), f64x2.mul(c2s, f64x2.mul(grad, grad)));
    v128.store(m + i, first);
    v128.store(v + i, second);
    const scale = f64x2.add(f64x2.div(f64x2.sqrt(second), roots), es);
    const kept = f64x2.mul(v128.load(p + i), keeps);
    v128.store(p + i, f64x2.sub(kept, f64x2.div(f64x2.mul(steps, first), scale)));
  }
  for (const end = n << 3; i < end; i += 8) {
    const grad = load<f64>(g + i) * gradScale;
    const first = beta1 * load<f64>(m + i) + c1 * grad;
    const second = beta2 * load<f64>(v + i) + c2 * (grad * grad);
    store<f64>(m + i, first);
    store<f64>(v + i, second);
    const scale = sqrt<f64>(second) / root + eps;
    store<f64>(p + i, load<f64>(p + i) * keep - (step * first) / scale);
  }
}

// --- Sums of squares, added up in f64 -----------------------------------------------------------------------------------------

export function sumSquaresF32(a: usize, n: usize): f64 {
  let s0 = f64x2.splat(0);
  let s1 = f64x2.splat(0);
  let s2 = f64x2.splat(0);
  let s3 = f64x2.splat(0);
  const end32 = a + ((n & ~7) << 2);
  const end = a + (n << 2);
  for (; a < end32; a += 32) {
    const w = f64x2.promote_low_f32x4(v128.load64_zero(a));
    const x = f64x2.promote_low_f32x4(v128.load64_zero(a, 8));
    const y = f64x2.promote_low_f32x4(v128.load64_zero(a, 16));
    const z = f64x2.promote_low_f32x4(v128.load64_zero(a, 24));
    s0 = f64x2.add(s0, f64x2.mul(w, w));
    s1 = f64x2.add(s1, f64x2.mul(x, x));
    s2 = f64x2.add(s2, f64x2.mul(y, y));
    s3 = f64x2.add(s3, f64x2.mul(z, z));
  }
  const sums = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
  let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  for (; a < end; a += 4) {
    const x = <f64>load<f32>(a);
    sum += x * x;
  }
  return sum;
}

export function sumSquaresF64(a: usize, n: usize): f64 {
  let s0 = f64x2.splat(0);
  let s1 = f64x2.splat(0);
  let s2 = f64x2.splat(0);
  let s3 = f64x2.splat(0);
  const end64 = a + ((n & ~7) << 3);
  const end = a + (n << 3);
  for (; a < end64; a += 64) {
    const w = v128.load(a);
    const x = v128.load(a, 16);
    const y = v128.load(a, 32);
    const z = v128.load(a, 48);
    s0 = f64x2.add(s0, f64x2.mul(w, w));
    s1 = f64x2.add(s1, f64x2.mul(x, x));
    s2 = f64x2.add(s2, f64x2.mul(y, y));
    s3 = f64x2.add(s3, f64x2.mul(z, z));
  }
  const sums = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
  let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  for (; a < end; a += 8) {
    const x = load<f64>(a);
    sum += x * x;
  }
  return sum;
}

// --- Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) ----------------------------------------

let x0: u32 = 0;
let x1: u32 = 0;
let x2: u32 = 0;
let x3: u32 = 0;

@inline
function philox(c0: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32): void {
  for (let round = 0; round < 10; round++) {
    const a = <u64>c0 * 0xD2511F53;
    const b = <u64>c2 * 0xCD9E8D57;
    const high0 = <u32>(b >> 32) ^ c1 ^ k0;
    const high1 = <u32>(a >> 32) ^ c3 ^ k1;
    c1 = <u32>b;
    c3 = <u32>a;
    c0 = high0;
    c2 = high1;
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  x0 = c0;
  x1 = c1;
  x2 = c2;
  x3 = c3;
}

// The four words of one counter, for tests against published vectors.
export function philoxWords(out: usize, c0: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32): void {
  philox(c0, c1, c2, c3, k0, k1);
  store<u32>(out, x0);
  store<u32>(out, x1, 4);
  store<u32>(out, x2, 8);
  store<u32>(out, x3, 12);
}

// --- Normal numbers: counter c gives numbers 2c and 2c + 1 (Box-Muller, in f64) -----------------------------------------------

let even: f64 = 0;
let odd: f64 = 0;

@inline
function normalPair(counter: u64, k0: u32, k1: u32): void {
  philox(<u32>counter, <u32>(counter >> 32), 0, 0, k0, k1);
  const scale: f64 = 1.0 / 9007199254740992.0; // 2^-53
  const u = <f64>((((<u64>x0 << 32) | <u64>x1) >> 11) + 1) * scale; // (0, 1]
  const t = <f64>(((<u64>x2 << 32) | <u64>x3) >> 11) * scale; // [0, 1)
  const radius = Math.sqrt(-2.0 * Math.log(u));
  const angle = 2.0 * Math.PI * t;
  even = radius * Math.cos(angle);
  odd = radius * Math.sin(angle);
}

@inline
function normalFill<T>(out: usize, n: usize, start: f64, k0: u32, k1: u32, std: f64): void {
  let index = <u64>start;
  const end = index + <u64>n;
  if (index < end && index & 1) {
    normalPair(index >> 1, k0, k1);
    store<T>(out, <T>(odd * std));
    out += sizeof<T>();
    index++;
  }
  for (; index + 1 < end; index += 2) {
    normalPair(index >> 1, k0, k1);
    store<T>(out, <T>(even * std));
    store<T>(out + sizeof<T>(), <T>(odd * std));
    out += 2 * sizeof<T>();
  }
  if (index < end) {
    normalPair(index >> 1, k0, k1);
    store<T>(out, <T>(even * std));
  }
}

export function normalFillF32(out: usize, n: usize, start: f64, k0: u32, k1: u32, std: f64): void {
  normalFill<f32>(out, n, start, k0, k1, std);
}
export function normalFillF64(out: usize, n: usize, start: f64, k0: u32, k1: u32, std: f64): void {
  normalFill<f64>(out, n, start, k0, k1, std);
}
