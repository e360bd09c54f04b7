// Writes what ranks did as a trace file for Perfetto or chrome://tracing (Trace Event Format, JSON array form).
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { fail, option } from '../errors.ts';

/** Each category is one track of a rank's process. */
export const traceCategories = [
  'step',
  'compute',
  'communication',
  'optimizer',
  'data',
  'evaluation',
  'checkpoint',
] as const;
export type TraceCategory = (typeof traceCategories)[number];

/** Something one rank did for some time. Spans of one rank and category must not overlap unless one holds the other. */
export interface TraceSpan {
  readonly rank: number;
  readonly name: string;
  readonly category: TraceCategory;
  /** On a clock that all ranks share. */
  readonly startMicroseconds: number;
  readonly durationMicroseconds: number;
  /** Shown when the span is selected: shapes, bytes, microbatch, ... */
  readonly args?: Readonly<Record<string, string | number | boolean>>;
}

export interface TraceOptions {
  /** The name of a rank's process, e.g. `rank 3 (tp 1, pp 1)`; `rank 3` when not given. */
  readonly rankName?: (rank: number) => string;
  /** Taken off every start, so that the trace begins near 0; 0 when not given. */
  readonly originMicroseconds?: number;
  /** What an error calls the file; its path when not given. */
  readonly shownPath?: string;
}

/** A trace file being written. */
export interface TraceFile {
  /** Adds spans of any ranks, in any order. They are written at once or soon: memory stays bounded. */
  add(spans: readonly TraceSpan[]): void;
  /** Ends the file. A file that was never closed still opens in the viewers, less the last spans. */
  close(): void;
}

/** Text is handed to the file in pieces of about this many characters. */
const pieceLength = 1 << 16;

/**
 * Begins a trace file, replacing one that is there.
 * @throws OPTION_INVALID when the file cannot be opened; later, what the system says when it cannot be written on.
 */
export function createTrace(path: string, options: TraceOptions = {}): TraceFile {
  const { rankName = (rank) => `rank ${rank}`, originMicroseconds = 0, shownPath = path } = options;
  const file = orFail(shownPath, () => openSync(path, 'w'));
  const named = new Set<string>();
  let text = '[';
  let separator = '\n';
  let open = true;
  /** Bytes in the file, up to the end of an event. */
  let written = 0;

  const flush = () => {
    const bytes = Buffer.from(text);
    try {
      writeWhole(file, bytes, written);
    } catch (error) {
      // What lies there can still be ended.
      ftruncateSync(file, written);
      text = written === 0 ? '[' : '';
      throw error;
    }
    written += bytes.length;
    text = '';
  };
  const event = (fields: Readonly<Record<string, unknown>>) => {
    text += separator + JSON.stringify(fields);
    separator = ',\n';
    if (text.length >= pieceLength) flush();
  };
  /** Metadata: a name or a place in the order for a process, or for one of its threads. */
  const metadata = (name: string, pid: number, tid: number, args: Readonly<Record<string, unknown>>) => {
    const key = `${name} ${pid} ${tid}`;
    if (named.has(key)) return;
    named.add(key);
    event({ name, ph: 'M', pid, tid, args });
  };

  return {
    add(spans) {
      for (const { rank, name, category, startMicroseconds, durationMicroseconds, args } of spans) {
        const tid = traceCategories.indexOf(category);
        metadata('process_name', rank, 0, { name: rankName(rank) });
        metadata('process_sort_index', rank, 0, { sort_index: rank });
        metadata('thread_name', rank, tid, { name: category });
        metadata('thread_sort_index', rank, tid, { sort_index: tid });
        const ts = startMicroseconds - originMicroseconds;
        event({ name, cat: category, ph: 'X', pid: rank, tid, ts, dur: durationMicroseconds, ...(args && { args }) });
      }
    },
    close() {
      if (!open) return;
      open = false;
      text += '\n]\n';
      try {
        flush();
      } finally {
        closeSync(file);
      }
    },
  };
}

/** A write may take only a part (a full disk about to fail). */
function writeWhole(file: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at, position + at);
}

function orFail<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { code } = error as { readonly code?: string };
    return fail('OPTION_INVALID', {
      option: `${option('trace')} ${path}`,
      problem: `it cannot be written (${code})`,
      fix: 'name a file in a folder that exists and can be written',
    });
  }
}
