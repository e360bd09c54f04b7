// Ways to deal devices out to instances that read and instances that write, those first that may do most.
import { createHeap } from '../search/heap.ts';
import type { Deployment } from '../serving/scenario.ts';
import type { Half } from './halves.ts';

export interface Split {
  readonly deployment: Deployment;
  /** No more, whatever the load. */
  readonly requestsPerSecond: number;
  readonly leastSecondsPerToken: number;
}

/** Numbers of readers that leave whole writers: `first`, then every `step`, so many. */
interface Series {
  readonly first: number;
  readonly step: number;
  readonly count: number;
}

function seriesOf(devices: number, reader: number, writer: number): Series {
  for (let step = 1; step <= writer; step++) {
    if ((step * reader) % writer !== 0) continue;
    for (let first = 1; first <= step; first++) {
      if ((devices - first * reader) % writer !== 0) continue;
      const most = Math.floor((devices - writer) / reader);
      return { first, step, count: Math.max(0, Math.floor((most - first) / step) + 1) };
    }
    return { first: 1, step, count: 0 };
  }
  return { first: 1, step: 1, count: 0 };
}

export const countSplits = (devices: number, reader: Half, writer: Half): number =>
  seriesOf(devices, reader.devices, writer.devices).count;

/** All splits of so many devices, `worthOf` rising: less is better, and it falls with the rate. */
export function* splitsOf(
  devices: number,
  pairs: readonly (readonly [reader: Half, writer: Half])[],
  worthOf: (split: Split) => number,
): Generator<{ readonly split: Split; readonly value: number }, void, void> {
  interface Node {
    readonly value: number;
    readonly split: Split;
    readonly after?: () => Node | undefined;
  }
  const open = createHeap<Node>(({ value }) => value);
  for (const [reader, writer] of pairs) {
    const { first, step, count } = seriesOf(devices, reader.devices, writer.devices);
    const node = (i: number, by: 1 | -1): Node | undefined => {
      if (i < 0 || i >= count) return undefined;
      const readers = first + i * step;
      const writers = (devices - readers * reader.devices) / writer.devices;
      const split: Split = {
        deployment: {
          kind: 'disaggregated',
          prefill: { layout: reader.layout, instances: readers },
          decode: { layout: writer.layout, instances: writers },
        },
        requestsPerSecond: Math.min(readers * reader.requestsPerSecond, writers * writer.requestsPerSecond),
        leastSecondsPerToken: writer.leastSeconds,
      };
      return { value: worthOf(split), split, after: () => node(i + by, by) };
    };
    // The rate rises as long as readers are too few, then falls.
    const ofDevice = reader.requestsPerSecond / reader.devices + writer.requestsPerSecond / writer.devices;
    const balanced = ((writer.requestsPerSecond / writer.devices) * devices) / ofDevice / reader.devices;
    const peak = Math.floor((balanced - first) / step);
    for (const each of [node(Math.min(peak, count - 1), -1), node(Math.max(0, peak + 1), 1)]) if (each) open.push(each);
  }
  for (let best = open.pop(); best; best = open.pop()) {
    yield { split: best.split, value: best.value };
    const next = best.after?.();
    if (next) open.push(next);
  }
}
