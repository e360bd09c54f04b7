// Parts of a transport that record every access of a rank to shared memory, and let it pause before each.

import type { ReduceKernel, TransportKernels } from '../../src/runtime/transport/threads/kernels.ts';
import { further, type Place } from '../../src/runtime/transport/threads/peer-memory.ts';
import type { Instruments } from '../../src/runtime/transport/threads/rank-context.ts';
import { firstPieceAt } from '../../src/runtime/transport/threads/registered.ts';
import type { SharedMemory } from '../../src/runtime/transport/threads/shared-memory.ts';
import type { ThreadsShared } from '../../src/runtime/transport/threads/world-state.ts';
import type { Vector } from '../../src/runtime/transport/transport.ts';
import type { AccessLog, RangeKind } from './access-log.ts';

export interface Pace {
  /** Called before every access. */
  readonly pause: () => void;
  /** True if `pause` lets other ranks run, so that who waits need not sleep. */
  readonly yields: boolean;
}

/** The memory of the world is number 0, that of channel i number i + 1; then comes the registered memory of every rank: one heap. */
export const memoryNumber = (name: string): number => (name === 'world' ? 0 : Number(name.replace('channel ', '')) + 1);

const memoriesOf = ({ memory, channels }: ThreadsShared): SharedArrayBuffer[] => [memory.buffer, ...channels];

/** What is recorded of all memories: of registered memory, so many bytes after its first pages. */
export function watchedBytes(shared: ThreadsShared, registeredBytes: number): Uint8Array[] {
  const heaps = shared.heaps.map(([heap]) => {
    // A rank has grown it.
    heap!.grow(0);
    return new Uint8Array(heap!.buffer, 0, Math.min(heap!.buffer.byteLength, firstPieceAt + registeredBytes));
  });
  return [...memoriesOf(shared).map((buffer) => new Uint8Array(buffer)), ...heaps];
}

type PlaceOf = Parameters<NonNullable<Instruments['peers']>>[1];

export interface Recorder extends Instruments {
  /** Says that the rank itself writes or reads a vector of its own. */
  readonly touch: (vector: Vector, what: 'write' | 'read') => void;
}

export function recording(shared: ThreadsShared, log: AccessLog, pace: Pace): Recorder {
  const buffers = memoriesOf(shared);
  let placeOf: PlaceOf = () => undefined;
  const record = (kind: RangeKind, { rank, at }: Place, bytes: number): void =>
    log.range(kind, buffers.length + rank, at, at + bytes);
  const recordVector = (kind: RangeKind, vector: Vector, start: number, count: number): void => {
    const place = placeOf(vector);
    const width = vector.BYTES_PER_ELEMENT;
    if (place) record(kind, further(place, start * width), count * width);
  };
  return {
    touch: (vector, what) => recordVector(`owner ${what}`, vector, 0, vector.length),
    peers: (peers, placeOfRank) => {
      placeOf = placeOfRank;
      return {
        copy: (from, target, start, count) => {
          pace.pause();
          record('in place read', from, count * target.BYTES_PER_ELEMENT);
          recordVector('in place write', target, start, count);
          peers.copy(from, target, start, count);
        },
        reduce: (op, from, target, start, count, also = []) => {
          pace.pause();
          for (const place of from) record('in place read', place, count * target.BYTES_PER_ELEMENT);
          recordVector('in place write', target, start, count);
          for (const place of also) record('in place write', place, count * target.BYTES_PER_ELEMENT);
          peers.reduce(op, from, target, start, count, also);
        },
      };
    },
    memory: (inner, name) => {
      const memory = memoryNumber(name);
      return new RecordedMemory(inner, { log, pace, memory, shared, words: new Int32Array(buffers[memory]!) });
    },
    kernels: (kernels) => recordedKernels(kernels, log, pace),
  };
}

interface Recording {
  readonly log: AccessLog;
  readonly pace: Pace;
  readonly memory: number;
  readonly shared: ThreadsShared;
  readonly words: Int32Array;
}

class RecordedMemory implements SharedMemory {
  readonly #inner: SharedMemory;
  readonly #with: Recording;

  constructor(inner: SharedMemory, recording: Recording) {
    this.#inner = inner;
    this.#with = recording;
  }

  copyIn: SharedMemory['copyIn'] = (at, source, start, count) => {
    const { log, memory, pace } = this.#with;
    pace.pause();
    log.range('copyIn', memory, at, at + count * source.BYTES_PER_ELEMENT);
    this.#inner.copyIn(at, source, start, count);
  };

  copyOut: SharedMemory['copyOut'] = (at, target, start, count) => {
    const { log, memory, pace } = this.#with;
    pace.pause();
    log.range('copyOut', memory, at, at + count * target.BYTES_PER_ELEMENT);
    this.#inner.copyOut(at, target, start, count);
  };

  read(word: number): number {
    this.#with.log.range('word read', this.#with.memory, 4 * word, 4 * word + 4);
    return this.#inner.read(word);
  }

  write(word: number, value: number): void {
    this.#with.log.range('word write', this.#with.memory, 4 * word, 4 * word + 4);
    this.#inner.write(word, value);
  }

  load(word: number): number {
    this.#with.pace.pause();
    const value = this.#inner.load(word);
    this.#with.log.event('load', this.#with.memory, word, value);
    return value;
  }

  publish(word: number, value: number): void {
    this.#with.pace.pause();
    this.#with.log.event('publish', this.#with.memory, word, value);
    this.#inner.publish(word, value);
  }

  /** Waits itself, since in turns a sleeper would keep everybody waiting. */
  wait: SharedMemory['wait'] = (word, value, blocked) => {
    const { pace, words, shared } = this.#with;
    const { timeoutSeconds } = shared.plan;
    const deadline = performance.now() + 1000 * timeoutSeconds;
    Atomics.add(words, word + 1, 1);
    try {
      for (let round = 1; ; round++) {
        pace.pause();
        if (this.#inner.load(word) !== value) {
          this.#with.log.event('wait', this.#with.memory, word, value);
          return;
        }
        if (!pace.yields && round > 50) Atomics.wait(words, word, value, 50);
        if (round % 64 === 0) blocked.check();
        if (performance.now() > deadline) blocked.timedOut(timeoutSeconds);
      }
    } finally {
      Atomics.sub(words, word + 1, 1);
    }
  };
}

/** What the kernels of kernels/transport.as.ts read and write. */
function recordedKernels(kernels: TransportKernels, log: AccessLog, { pause }: Pace): TransportKernels {
  const reduce =
    (kernel: ReduceKernel, width: number): ReduceKernel =>
    (out, first, stride, slots, count, rows, rowStride) => {
      pause();
      for (let slot = 0; slot < slots; slot++)
        for (let row = 0; row < rows; row++) {
          const at = first + slot * stride + row * rowStride;
          log.range('kernel read', 0, at, at + count * width);
        }
      log.range('kernel write', 0, out, out + rows * count * width);
      kernel(out, first, stride, slots, count, rows, rowStride);
    };
  return {
    sumF32: reduce(kernels.sumF32, 4),
    sumF64: reduce(kernels.sumF64, 8),
    sumI32: reduce(kernels.sumI32, 4),
    maxF32: reduce(kernels.maxF32, 4),
    maxF64: reduce(kernels.maxF64, 8),
    maxI32: reduce(kernels.maxI32, 4),
    spreadRows: (out, from, bytes, rows, rowStride) => {
      pause();
      log.range('kernel read', 0, from, from + rows * bytes);
      for (let row = 0; row < rows; row++)
        log.range('kernel write', 0, out + row * rowStride, out + row * rowStride + bytes);
      kernels.spreadRows(out, from, bytes, rows, rowStride);
    },
  };
}
