// Every error a user can meet, in one table: its code, its exit status and how its message is made from its values.

/** Exit status 2: the input is wrong and nothing was done. 1: it failed while running. */
export interface ErrorKind {
  readonly exit: 1 | 2;
  readonly message: (values: Readonly<Record<string, unknown>>) => string;
}

/**
 * The name of a setting in a message. It reads `seqLen` to whoever calls the library and `--seq-len` on the command line: see
 * {@link FivefoldError.text}.
 */
export const option = (key: string): string => `\u{E000}${key}\u{E001}`;

/** A text whose settings are named by `name`. */
export const spelled = (text: string, name: (key: string) => string): string =>
  text.replace(/\u{E000}([^\u{E001}]*)\u{E001}/gu, (_, key: string) => name(key));

const v = (value: unknown): string =>
  typeof value === 'string' ? value : Array.isArray(value) ? value.join(', ') : JSON.stringify(value);

const recorder = (e: Readonly<Record<string, unknown>>): string =>
  e.recorder ? `; flight recorders of all ranks: ${v(e.recorder)}` : '';

/** E.g. `850 MB`, `3.1 GB`, `6500 GB`; of less than a megabyte `12 kB`, `0 B`. */
export const memory = (bytes: unknown): string => {
  const gigabytes = Number(bytes) / 1e9;
  if (gigabytes < 1e-6) return `${Math.round(Number(bytes))} B`;
  if (gigabytes < 1e-3) return `${Math.round(gigabytes * 1e6)} kB`;
  if (gigabytes < 1) return `${Math.round(gigabytes * 1000)} MB`;
  return `${gigabytes < 10 ? gigabytes.toFixed(1) : Math.round(gigabytes)} GB`;
};

const memoryParts = (parts: unknown): string =>
  Object.entries(parts as Readonly<Record<string, number>>)
    .filter(([, bytes]) => bytes > 0)
    .map(([name, bytes]) => `${name} ${memory(bytes)}`)
    .join(', ');

/** Each message says what was given, what is allowed and what to do about it, in one line. */
export const errorTable = {
  // Layout and mesh
  LAYOUT_SYNTAX: { exit: 2, message: (e) => `layout "${v(e.text)}": ${v(e.reason)}; write it like tp=2,pp=2,dp=2` },
  LAYOUT_UNKNOWN: { exit: 2, message: (e) => `layout has no axis or setting "${v(e.key)}"; use ${v(e.allowed)}` },
  LAYOUT_INDIVISIBLE: {
    exit: 2,
    message: (e) => `${v(e.axis)}=${v(e.size)} does not divide ${v(e.what)} (${v(e.total)}); use ${v(e.fix)}`,
  },
  LAYOUT_STAGES: { exit: 2, message: (e) => `pp=${v(e.pp)} stages for ${v(e.layers)} layers; ${v(e.fix)}` },
  LAYOUT_SCHEDULE: { exit: 2, message: (e) => `layout "${v(e.text)}": ${v(e.problem)}; ${v(e.fix)}` },
  // Programs
  TYPE_MISMATCH: {
    exit: 1,
    message: (e) => `${v(e.op)}${e.site ? ` at ${v(e.site)}` : ''}: on axis ${v(e.axis)}, ${v(e.problem)}; ${v(e.fix)}`,
  },
  NO_GRADIENT: {
    exit: 1,
    message: (e) =>
      `${v(e.op)}${e.site ? ` at ${v(e.site)}` : ''} has no gradient${e.result === undefined ? '' : ` for its result ${v(e.result)}`}; ${
        e.result === undefined
          ? 'give the op a vjp'
          : "use that result's gradient in the op's vjp and name the result in the op's differentiable"
      }, or do not differentiate through it`,
  },
  SHAPE_MISMATCH: { exit: 1, message: (e) => `${v(e.op)}${e.site ? ` at ${v(e.site)}` : ''}: ${v(e.problem)}` },
  // Schedules
  SCHEDULE_FILE: { exit: 2, message: (e) => `schedule ${v(e.path)}: ${v(e.problem)}; ${v(e.fix)}` },
  SCHEDULE_INVALID: { exit: 1, message: (e) => `schedule ${v(e.schedule)}: ${v(e.problem)}` },
  // Models, checkpoints, data
  CONFIG_INVALID: { exit: 2, message: (e) => `${v(e.path)}: ${v(e.problem)}; ${v(e.fix)}` },
  FAMILY_UNSUPPORTED: {
    exit: 2,
    message: (e) => `${v(e.path)}: model_type "${v(e.family)}" is not supported; use one of ${v(e.allowed)}`,
  },
  CHECKPOINT_MISSING: { exit: 2, message: (e) => `no checkpoint at ${v(e.path)}: ${v(e.problem)}; ${v(e.fix)}` },
  CHECKPOINT_BROKEN: { exit: 2, message: (e) => `checkpoint ${v(e.path)} is broken: ${v(e.problem)}; ${v(e.fix)}` },
  CHECKPOINT_MISMATCH: { exit: 2, message: (e) => `checkpoint ${v(e.path)}: ${v(e.problem)}; ${v(e.fix)}` },
  DATA_MISSING: { exit: 2, message: (e) => `cannot read data ${v(e.path)}: ${v(e.problem)}; ${v(e.fix)}` },
  DATA_CHANGED: {
    exit: 2,
    message: (e) => `the data (${v(e.now)}) are not those of the run in ${v(e.path)} (${v(e.before)}); ${v(e.fix)}`,
  },
  DATA_EMPTY: { exit: 2, message: (e) => `data ${v(e.path)} holds no tokens; ${v(e.fix)}` },
  DATA_SHORT: {
    exit: 2,
    message: (e) =>
      `sequence length ${v(e.seqLen)} needs at least ${v(e.needed)} tokens but the data hold ${v(e.tokens)}; ${v(e.fix)}`,
  },
  TABLE_INVALID: { exit: 2, message: (e) => `table ${v(e.path)}: ${v(e.problem)}; ${v(e.fix)}` },
  PLAN_INVALID: { exit: 2, message: (e) => `plan ${v(e.path)}: ${v(e.problem)}; ${v(e.fix)}` },
  OUT_EXISTS: {
    exit: 2,
    message: (e) =>
      `${v(e.path)} already holds a run; pass ${option('resume')} ${v(e.path)} to go on with it, or another ${option('out')}`,
  },
  OUT_UNWRITABLE: {
    exit: 2,
    message: (e) =>
      `cannot write to ${v(e.path)}: ${v(e.problem)}; ${e.fix ? v(e.fix) : `choose another ${option('out')}`}`,
  },
  OUT_BUSY: {
    exit: 2,
    message: (e) => `${v(e.path)} is being written by ${v(e.holder)}; wait for it, or choose another ${option('out')}`,
  },
  OPTION_INVALID: { exit: 2, message: (e) => `${v(e.option)}: ${v(e.problem)}; ${v(e.fix)}` },
  MEMORY_SHORT: {
    exit: 2,
    message: (e) =>
      `this run needs about ${memory(e.neededBytes)} of memory (${memoryParts(e.parts)}) and ${memory(e.availableBytes)} are available; ${v(e.fix)}`,
  },
  // Hardware
  DEVICE_UNKNOWN: {
    exit: 2,
    message: (e) =>
      `no device "${v(e.name)}" is in the catalogue; near it are ${v(e.near)}: use one of them, or give its figures in a cluster file`,
  },
  DEVICE_FORMAT: {
    exit: 2,
    message: (e) =>
      `${v(e.device)} has no rate for products of ${v(e.format)}; take them in one it has a rate for: ${v(e.rates)}`,
  },
  CLUSTER_INVALID: { exit: 2, message: (e) => `cluster ${v(e.cluster)}: ${v(e.problem)}; ${v(e.fix)}` },
  // Running
  SAVE_FAILED: {
    exit: 1,
    message: (e) =>
      e.survivor === undefined
        ? `step ${v(e.step)} could not be saved in ${v(e.path)}: ${v(e.problem)}; no step before it is there: ${v(e.fix)} and start again`
        : `step ${v(e.step)} could not be saved in ${v(e.path)}: ${v(e.problem)}; step ${v(e.survivor)} there is whole: ${v(e.fix)} and go on with ${option('resume')} ${v(e.path)}`,
  },
  TRACE_FAILED: {
    exit: 1,
    message: (e) =>
      `the trace ${v(e.path)} could not be written on: ${v(e.problem)}; make room for it, or leave ${option('trace')} out${e.saved === undefined ? '' : `, and go on with ${option('resume')} ${v(e.saved)}`}`,
  },
  PLATFORM_UNSUPPORTED: {
    exit: 2,
    message: (e) => `this machine (${v(e.given)}) cannot run models: ${v(e.problem)}; ${v(e.fix)}`,
  },
  TRAINING_DIVERGED: {
    exit: 1,
    message: (e) =>
      `step ${v(e.step)} ended with ${v(e.problem)}; use a lower ${option('learningRate')}${e.saved === undefined ? '' : `, or go on with ${option('resume')} ${v(e.saved)} and a lower one`}`,
  },
  COLLECTIVE_TIMEOUT: {
    exit: 1,
    message: (e) =>
      `rank ${v(e.rank)} waited ${v(e.seconds)} s in ${v(e.op)} on ${v(e.axis)} at ${v(e.site)} for ${v(e.waitingFor)}; ${v(e.detail)}${recorder(e)}`,
  },
  COLLECTIVE_MISMATCH: {
    exit: 1,
    message: (e) =>
      `ranks disagree on axis ${v(e.axis)}: rank ${v(e.rank)} called ${v(e.mine)}, rank ${v(e.peer)} called ${v(e.theirs)}${recorder(e)}`,
  },
  RANK_FAILED: {
    exit: 1,
    message: (e) => `rank ${v(e.rank)} failed${e.site ? ` at ${v(e.site)}` : ''}: ${v(e.problem)}${recorder(e)}`,
  },
  RUN_ABORTED: { exit: 1, message: (e) => `run aborted: ${v(e.problem)}` },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorTable;

/** An error with a code of {@link errorTable} and the values its message was made from. */
export class FivefoldError extends Error {
  readonly code: ErrorCode;
  readonly values: Readonly<Record<string, unknown>>;
  /** The message with its settings still marked, to be put into another message. */
  readonly marked: string;
  constructor(code: ErrorCode, values: Readonly<Record<string, unknown>>) {
    const marked = errorTable[code].message(values);
    super(spelled(marked, (key) => key));
    this.marked = marked;
    this.name = 'FivefoldError';
    this.code = code;
    this.values = values;
  }
  /** The message with its settings spelled by `name`. */
  text(name: (key: string) => string): string {
    return spelled(this.marked, name);
  }

  get exit(): 1 | 2 {
    return errorTable[this.code].exit;
  }
}

/** Throws the error of this code. */
export function fail(code: ErrorCode, values: Readonly<Record<string, unknown>>): never {
  throw new FivefoldError(code, values);
}
