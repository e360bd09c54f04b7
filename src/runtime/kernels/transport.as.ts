// Reductions over the ranks' slots in shared memory (AssemblyScript, Wasm SIMD). Sums go in slot order: the same bits for every rank.
// Slot k of an operand starts at `first + k * stride` (bytes). Pointers need no alignment beyond the element's.

@inline
function combineVectors<T>(a: v128, b: v128, max: bool): v128 {
  return max ? v128.max<T>(a, b) : v128.add<T>(a, b);
}

@inline
function combine<T>(a: T, b: T, max: bool): T {
  if (max) {
    if (isInteger<T>()) return a > b ? a : b;
    return builtinMax<T>(a, b);
  }
  return (a + b) as T;
}

@inline
function builtinMax<T>(a: T, b: T): T {
  return max<T>(a, b);
}

// out[i] = slot 0 [i] + slot 1 [i] + ... for n elements.
@inline
function reduceRow<T>(out: usize, first: usize, stride: usize, slots: i32, n: usize, max: bool): void {
  const end = out + n * sizeof<T>();
  const end64 = out + ((n * sizeof<T>()) & ~63);
  if (slots == 2) {
    let second = first + stride;
    while (out < end64) {
      v128.store(out, combineVectors<T>(v128.load(first), v128.load(second), max));
      v128.store(out, combineVectors<T>(v128.load(first, 16), v128.load(second, 16), max), 16);
      v128.store(out, combineVectors<T>(v128.load(first, 32), v128.load(second, 32), max), 32);
      v128.store(out, combineVectors<T>(v128.load(first, 48), v128.load(second, 48), max), 48);
      out += 64;
      first += 64;
      second += 64;
    }
  } else {
    while (out < end64) {
      let a = v128.load(first);
      let b = v128.load(first, 16);
      let c = v128.load(first, 32);
      let d = v128.load(first, 48);
      let from = first;
      for (let k = 1; k < slots; k++) {
        from += stride;
        a = combineVectors<T>(a, v128.load(from), max);
        b = combineVectors<T>(b, v128.load(from, 16), max);
        c = combineVectors<T>(c, v128.load(from, 32), max);
        d = combineVectors<T>(d, v128.load(from, 48), max);
      }
      v128.store(out, a);
      v128.store(out, b, 16);
      v128.store(out, c, 32);
      v128.store(out, d, 48);
      out += 64;
      first += 64;
    }
  }
  while (out < end) {
    let a = load<T>(first);
    let from = first;
    for (let k = 1; k < slots; k++) {
      from += stride;
      a = combine<T>(a, load<T>(from), max);
    }
    store<T>(out, a);
    out += sizeof<T>();
    first += sizeof<T>();
  }
}

// `rows` rows of n elements: row r is read at first + r * rowStride (bytes) of every slot and written without gaps.
@inline
function reduceRows<T>(out: usize, first: usize, stride: usize, slots: i32, n: usize, rows: i32, rowStride: usize, max: bool): void {
  for (let row = 0; row < rows; row++) {
    reduceRow<T>(out, first, stride, slots, n, max);
    out += n * sizeof<T>();
    first += rowStride;
  }
}

export function sumF32(out: usize, first: usize, stride: usize, slots: i32, n: usize, rows: i32, rowStride: usize): void {
  reduceRows<f32>(out, first, stride, slots, n, rows, rowStride, false);
}
export function sumF64(out: usize, first: usize, stride: usize, slots: i32, n: usize, rows: i32, rowStride: usize): void {
  reduceRows<f64>(out, first, stride, slots, n, rows, rowStride, false);
}
export function sumI32(out: usize, first: usize, stride: usize, slots: i32, n: usize, rows: i32, rowStride: usize): void {
  reduceRows<i32>(out, first, stride, slots, n, rows, rowStride, false);
}
export function maxF32(out: usize, first: usize, stride: usize, slots: i32, n: usize, rows: i32, rowStride: usize): void {
  reduceRows<f32>(out, first, stride, slots, n, rows, rowStride, true);
}
export function maxF64(out: usize, first: usize, stride: usize, slots: i32, n: usize, rows: i32, rowStride: usize): void {
  reduceRows<f64>(out, first, stride, slots, n, rows, rowStride, true);
}
export function maxI32(out: usize, first: usize, stride: usize, slots: i32, n: usize, rows: i32, rowStride: usize): void {
  reduceRows<i32>(out, first, stride, slots, n, rows, rowStride, true);
}

// Copies `rows` rows of `bytes` each from a gapless source to rows `rowStride` bytes apart: a rank's part of a gathered tensor.
export function spreadRows(out: usize, from: usize, bytes: usize, rows: i32, rowStride: usize): void {
  for (let row = 0; row < rows; row++) {
    let to = out;
    const end = from + bytes;
    const end16 = from + (bytes & ~15);
    while (from < end16) {
      v128.store(to, v128.load(from));
      to += 16;
      from += 16;
    }
    while (from < end) {
      store<u32>(to, load<u32>(from));
      to += 4;
      from += 4;
    }
    out += rowStride;
  }
}
