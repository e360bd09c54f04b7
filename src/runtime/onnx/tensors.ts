// ONNX Runtime's tensors over parts of our memory: an address, a type and a shape each, made once and kept.
import type { OnnxType } from '../../program/onnx-graph.ts';
import type { Numbers, Shape } from '../../program/program.ts';
import { makerOn } from './api.ts';
import { currentHoldings, type Held } from './holdings.ts';
import { typeNumber } from './model.ts';

export interface Tensors {
  /** The address of the tensor over the elements from `offset` on. The array must not be detached. */
  readonly over: (numbers: Numbers, shape: Shape, offset?: number) => bigint;
  /** How many are kept. */
  readonly count: () => number;
  /** Frees all that are kept: addresses handed out are invalid from then on. */
  readonly clear: () => void;
  readonly release: () => void;
}

interface Kept {
  readonly shape: Shape;
  readonly type: OnnxType;
  readonly held: Held;
  readonly address: bigint;
}

const typeOf = (numbers: Numbers): OnnxType =>
  numbers instanceof Int32Array ? 'int32' : numbers instanceof Float64Array ? 'float64' : 'float32';

const isSame = (a: Shape, b: Shape): boolean => {
  if (a.length !== b.length) return false;
  for (let dim = 0; dim < a.length; dim++) if (a[dim] !== b[dim]) return false;
  return true;
};

export function createTensors(): Tensors {
  const maker = makerOn(currentHoldings());
  const cpuMemory = maker.make('memory', 1, 0);
  /** By the memory, then by where in it they begin: arrays that lie over each other share theirs. */
  const kept = new Map<ArrayBufferLike, Map<number, Kept[]>>();
  let count = 0;

  const create = (numbers: Numbers, shape: Shape, offset: number): Kept => {
    const size = shape.reduce((product, dim) => product * dim, 1);
    const part = numbers.subarray(offset, offset + size);
    const dims = BigInt64Array.from(shape, BigInt);
    const type = typeOf(numbers);
    const memory = maker.address(cpuMemory);
    const held = maker.make('value', memory, part, part.byteLength, dims, dims.length, typeNumber[type]);
    count += 1;
    return { shape: [...shape], type, held, address: maker.address(held) };
  };
  const clear = (): void => {
    for (const places of kept.values())
      for (const tensors of places.values()) for (const { held } of tensors) maker.release(held);
    kept.clear();
    count = 0;
  };

  return {
    over(numbers, shape, offset = 0) {
      const places = kept.get(numbers.buffer) ?? new Map<number, Kept[]>();
      kept.set(numbers.buffer, places);
      const at = numbers.byteOffset + offset * numbers.BYTES_PER_ELEMENT;
      const tensors = places.get(at) ?? [];
      places.set(at, tensors);
      const type = typeOf(numbers);
      for (const tensor of tensors) if (tensor.type === type && isSame(tensor.shape, shape)) return tensor.address;
      const made = create(numbers, shape, offset);
      tensors.push(made);
      return made.address;
    },
    count: () => count,
    clear,
    release() {
      clear();
      maker.release(cpuMemory);
    },
  };
}
