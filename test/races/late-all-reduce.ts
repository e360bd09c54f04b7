// An all-reduce that breaks the rule of group-end.ts: it writes the output of a phase after meeting, and takes the last of it after
// its last phase. A call that writes its output before meeting, two phases later, then writes what a slow member still reads.
import type { CollectiveEnd } from '../../src/runtime/transport/threads/group-end.ts';
import type { ReduceOp, Vector } from '../../src/runtime/transport/transport.ts';

export function lateAllReduce(end: CollectiveEnd, data: Vector, op: ReduceOp): void {
  const { context, size, me, stride } = end;
  const { bytes } = context;
  const { smallReduceBytes, chunkBytes } = context.shared.map.limits;
  const reduce = context.kernel(data, op);
  const width = data.BYTES_PER_ELEMENT;
  const total = data.length;
  if (total * width <= smallReduceBytes) {
    end.advance();
    bytes.copyIn(end.slot(me), data, 0, total);
    end.meet();
    if (total === 0) return;
    reduce(end.scratch(), end.slot(0), stride, size, total, 1, 0);
    bytes.copyOut(end.scratch(), data, 0, total);
    return;
  }
  const grain = 64 / width;
  const startOf = (count: number, member: number): number =>
    member === size ? count : Math.floor((count * member) / size / grain) * grain;
  const chunk = chunkBytes / width;
  let start = 0;
  let before = 0;
  let output = 0;
  while (start < total) {
    const count = Math.min(chunk, total - start);
    end.advance();
    bytes.copyIn(end.slot(me), data, start, count);
    end.meet();
    const low = startOf(count, me);
    const high = startOf(count, me + 1);
    if (high > low) reduce(end.output() + low * width, end.slot(0) + low * width, stride, size, high - low, 1, 0);
    if (before > 0) bytes.copyOut(output, data, start - before, before);
    output = end.output();
    start += count;
    before = count;
  }
  end.advance();
  end.meet();
  bytes.copyOut(output, data, total - before, before);
}
