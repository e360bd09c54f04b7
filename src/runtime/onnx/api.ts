// The C interface of ONNX Runtime, called through koffi, in the library of `library.ts`.
//
// Why not onnxruntime-node's own `run`: it copies every output into a new array even when the caller gave it memory to write to
// (1.30: adding two vectors of 4 MB takes 2.2 ms, 0.13 ms through this). Here results land in our buffers and nothing is allocated.
import { isMainThread } from 'node:worker_threads';
import { registerArena } from './arena.ts';
import type { Held, HeldKind, Holdings } from './holdings.ts';
import { loadKoffi, openLibrary } from './library.ts';
import { disableTelemetry } from './telemetry.ts';

/** An address in native memory. */
export type Pointer = bigint;

/** Version of the interface asked for; the table only ever grows (onnxruntime_c_api.h, struct OrtApi). */
const apiVersion = 23;

/** Places in that table, in the header's order, and how each is called. All but releases and those that return a text return a status. */
const signatures = {
  getErrorMessage: [2, 'const char *OrtGetErrorMessage(const void *status)'],
  createEnv: [3, 'void *OrtCreateEnv(int severity, const char *name, _Out_ void **env)'],
  disableTelemetry: [6, 'void *OrtDisableTelemetryEvents(const void *env)'],
  createSession: [
    8,
    'void *OrtCreateSessionFromArray(const void *env, const void *model, size_t bytes, const void *options, void *session)',
  ],
  run: [
    9,
    'void *OrtRun(void *session, const void *options, const void *inputNames, const void *inputs, size_t inputCount, const void *outputNames, size_t outputCount, void *outputs)',
  ],
  createOptions: [10, 'void *OrtCreateSessionOptions(void *options)'],
  disableMemPattern: [17, 'void *OrtDisableMemPattern(void *options)'],
  setLogSeverity: [22, 'void *OrtSetSessionLogSeverityLevel(void *options, int severity)'],
  setOptimization: [23, 'void *OrtSetSessionGraphOptimizationLevel(void *options, int level)'],
  setIntraOpThreads: [24, 'void *OrtSetIntraOpNumThreads(void *options, int threads)'],
  setInterOpThreads: [25, 'void *OrtSetInterOpNumThreads(void *options, int threads)'],
  createTensor: [
    49,
    'void *OrtCreateTensorWithDataAsOrtValue(const void *memory, void *data, size_t bytes, const int64_t *shape, size_t rank, int type, void *value)',
  ],
  createCpuMemory: [69, 'void *OrtCreateCpuMemoryInfo(int allocator, int type, void *memory)'],
  releaseStatus: [93, 'void OrtReleaseStatus(void *status)'],
  releaseMemory: [94, 'void OrtReleaseMemoryInfo(void *memory)'],
  releaseSession: [95, 'void OrtReleaseSession(void *session)'],
  releaseValue: [96, 'void OrtReleaseValue(void *value)'],
  releaseOptions: [100, 'void OrtReleaseSessionOptions(void *options)'],
  addSessionConfig: [130, 'void *OrtAddSessionConfigEntry(void *options, const char *key, const char *value)'],
  createAllocator: [131, 'void *OrtCreateAllocator(const void *session, const void *memory, void *allocator)'],
  releaseAllocator: [132, 'void OrtReleaseAllocator(void *allocator)'],
  registerAllocator: [
    144,
    'void *OrtCreateAndRegisterAllocator(const void *env, const void *memory, const void *arena)',
  ],
  releaseArenaConfig: [157, 'void OrtReleaseArenaCfg(void *arena)'],
  createArenaConfig: [
    164,
    'void *OrtCreateArenaCfgV2(const void *keys, const void *values, size_t count, void *arena)',
  ],
  keyValue: [297, 'const char *OrtGetKeyValue(const void *pairs, const char *key)'],
  releaseKeyValues: [300, 'void OrtReleaseKeyValuePairs(void *pairs)'],
  allocatorStats: [319, 'void *OrtAllocatorGetStats(const void *allocator, void *pairs)'],
} as const;

type Argument = number | bigint | string | null | ArrayBufferView | (Pointer | null)[];
type Name = keyof typeof signatures;

export interface OnnxRuntime {
  /** Calls a function of the table; throws what ONNX Runtime says went wrong. */
  readonly call: (name: Name, ...args: Argument[]) => void;
  /** The text that a function of the table returns. */
  readonly text: (name: 'getErrorMessage' | 'keyValue', ...args: Argument[]) => string;
  readonly env: Pointer;
}

/** The functions that make and release what can be held; a maker's last parameter is where the new object's address goes. */
const makers = {
  session: ['createSession', 'releaseSession'],
  value: ['createTensor', 'releaseValue'],
  options: ['createOptions', 'releaseOptions'],
  memory: ['createCpuMemory', 'releaseMemory'],
} as const satisfies Record<HeldKind, readonly [Name, Name]>;

/** With the library itself: koffi unloads one that nobody refers to. */
let loaded: (OnnxRuntime & { readonly library: unknown }) | undefined;

/** Loads the library once a thread. */
export function onnxRuntime(): OnnxRuntime {
  loaded ??= load();
  return loaded;
}

/** Makes native objects and releases them. */
export interface Maker {
  readonly make: (kind: HeldKind, ...args: Argument[]) => Held;
  readonly address: (held: Held) => Pointer;
  /** Does nothing for what has been released. */
  readonly release: (held: Held) => void;
}

/** A maker that lists what it makes on `list`. */
export function makerOn(list: Holdings): Maker {
  const { call } = onnxRuntime();
  return {
    make(kind, ...args) {
      const held = list.take(kind);
      call(makers[kind][0], ...args, list.target(held));
      return held;
    },
    address: (held) => list.address(held),
    release(held) {
      const object = list.strike(held);
      if (object) call(makers[object.kind][1], object.address);
    },
  };
}

function load(): NonNullable<typeof loaded> {
  disableTelemetry();
  const library = openLibrary();
  const koffi = loadKoffi();
  const base = library.func('const void *OrtGetApiBase()')() as Pointer;
  const [getApi] = koffi.decode(base, koffi.array('void *', 1)) as Pointer[];
  const table = koffi.call(getApi, koffi.proto('void *OrtGetApi(uint32_t version)'), apiVersion) as Pointer;
  const last = Math.max(...Object.values(signatures).map(([place]) => place));
  const functions = koffi.decode(table, koffi.array('void *', last + 1)) as Pointer[];
  const prototypes = Object.fromEntries(
    Object.entries(signatures).map(([name, [, signature]]) => [name, koffi.proto(signature)]),
  );
  const raw = (name: Name, args: readonly Argument[]): unknown =>
    koffi.call(functions[signatures[name][0]], prototypes[name]!, ...args);

  const text: OnnxRuntime['text'] = (name, ...args) => raw(name, args) as string;
  const call: OnnxRuntime['call'] = (name, ...args) => {
    const status = raw(name, args) as Pointer | null | undefined;
    if (!status) return;
    const message = text('getErrorMessage', status);
    raw('releaseStatus', [status]);
    throw new Error(`ONNX Runtime: ${message}`);
  };
  const made: (Pointer | null)[] = [null];
  call('createEnv', 3, 'fivefold', made);
  const env = made[0]!;
  call('disableTelemetry', env);
  if (isMainThread) registerArena(call, env);
  return { library, call, text, env };
}
