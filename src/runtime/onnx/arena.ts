// The arena that scratch memory of all sessions of the process comes from. It holds what those that run at once need, not the sum
// of all, and what a world leaves in it serves the next.
import { loadKoffi } from './library.ts';

/** onnxruntime_c_api.h, CreateArenaCfgV2. */
const settings = {
  /** By what is asked for, not by doubling. */
  arena_extend_strategy: 1n,
  /** What a value leaves of a free block is free for others, however little it is. */
  max_dead_bytes_per_chunk: 1n,
};

/** OrtArenaAllocator and OrtMemTypeDefault. */
const arenaMemory = [1, 0] as const;

type Argument = bigint | number | string | BigUint64Array;
type Name =
  | 'createArenaConfig'
  | 'createCpuMemory'
  | 'registerAllocator'
  | 'releaseMemory'
  | 'releaseArenaConfig'
  | 'createAllocator'
  | 'allocatorStats'
  | 'releaseKeyValues'
  | 'releaseAllocator';
/** See OnnxRuntime. */
type Call = (name: Name, ...args: Argument[]) => void;
type Text = (name: 'keyValue', ...args: Argument[]) => string;

/** Once a process: registered again, sessions made from then on would have another arena. */
export function registerArena(call: Call, env: bigint): void {
  const koffi = loadKoffi();
  const keys = Object.keys(settings).map((key) => Buffer.from(`${key}\0`));
  const pointers = BigUint64Array.from(keys.map((key) => BigInt(koffi.address(key))));
  const values = BigUint64Array.from(Object.values(settings));
  const config = new BigUint64Array(1);
  call('createArenaConfig', pointers, values, keys.length, config);
  withMemory(call, (memory) => call('registerAllocator', env, memory, config[0]!));
  call('releaseArenaConfig', config[0]!);
}

export interface ArenaStatistics {
  /** The most in use at once so far. */
  readonly peakBytes: number;
  /** Taken from the machine. */
  readonly heldBytes: number;
}

/** `session`: any that is there. */
export function arenaStatistics(call: Call, text: Text, session: bigint): ArenaStatistics {
  const [allocator, pairs] = [new BigUint64Array(1), new BigUint64Array(1)];
  withMemory(call, (memory) => call('createAllocator', session, memory, allocator));
  call('allocatorStats', allocator[0]!, pairs);
  const number = (key: string) => Number(text('keyValue', pairs[0]!, key));
  const statistics = { peakBytes: number('MaxInUse'), heldBytes: number('TotalAllocated') };
  call('releaseKeyValues', pairs[0]!);
  call('releaseAllocator', allocator[0]!);
  return statistics;
}

function withMemory(call: Call, use: (memory: bigint) => void): void {
  const memory = new BigUint64Array(1);
  call('createCpuMemory', ...arenaMemory, memory);
  use(memory[0]!);
  call('releaseMemory', memory[0]!);
}
