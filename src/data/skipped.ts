// What a walk through folders left out, and how it is said.

/**
 * notText: its bytes are not UTF-8, or NUL is among them, or its name is that of another kind of .bin.
 * notRegular: a FIFO, socket or device. unreadable: no permission, a link to nothing or in a circle.
 * repeated: a folder that a link led to once more. model: one that holds a checkpoint or a run.
 */
export type SkipReason = 'notText' | 'notRegular' | 'unreadable' | 'repeated' | 'model';

export interface SkippedFiles {
  readonly count: number;
  /** The first few paths. */
  readonly examples: readonly string[];
}

/** By reason; those that did not come up have a count of 0. */
export type Skipped = Readonly<Record<SkipReason, SkippedFiles>>;

const mostExamples = 3;

/** Counts what is left out. */
export interface SkipCounter {
  add(reason: SkipReason, path: string): void;
  result(): Skipped;
}

export function countSkipped(): SkipCounter {
  const paths: Record<SkipReason, { count: number; examples: string[] }> = {
    notText: { count: 0, examples: [] },
    notRegular: { count: 0, examples: [] },
    unreadable: { count: 0, examples: [] },
    repeated: { count: 0, examples: [] },
    model: { count: 0, examples: [] },
  };
  return {
    add(reason, path) {
      const skipped = paths[reason];
      skipped.count += 1;
      if (skipped.examples.length < mostExamples) skipped.examples.push(path);
    },
    result: () => structuredClone(paths),
  };
}

/** `n` files that are ...: one form for 1, one for more. */
const words: Readonly<Record<SkipReason, readonly [one: string, more: string]>> = {
  notText: ['file that is not text', 'files that are not text'],
  notRegular: ['FIFO, socket or device', 'FIFOs, sockets or devices'],
  unreadable: ['path that cannot be read', 'paths that cannot be read'],
  repeated: ['folder linked to again', 'folders linked to again'],
  model: ['folder of a model', 'folders of models'],
};

/** `skipped 3 files that are not text, such as x.wasm`; undefined when nothing was. */
export function skippedText(skipped: Skipped): string | undefined {
  const parts = (Object.keys(words) as SkipReason[]).flatMap((reason) => {
    const { count, examples } = skipped[reason];
    if (count === 0) return [];
    const [one, more] = words[reason];
    return [count === 1 ? `1 ${one} (${examples[0]})` : `${count} ${more}, such as ${examples[0]}`];
  });
  return parts.length > 0 ? `skipped ${parts.join('; ')}` : undefined;
}
