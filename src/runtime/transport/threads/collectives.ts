// The collectives on a group end: where the vectors are in registered memory and large, in place; else through slots and outputs, a chunk
// a phase.
import type { Cut, ReduceOp, TransportLimits, Vector } from '../transport.ts';
import type { CollectiveEnd } from './group-end.ts';
import * as inPlace from './in-place.ts';
import type { Place } from './peer-memory.ts';
import { chunkLength, lineElements, sliceStart } from './slices.ts';

export { allToAllV } from './all-to-all-v.ts';

const limitsOf = ({ context }: CollectiveEnd): TransportLimits => context.shared.map.limits;

type Places = readonly (Place | undefined)[];

/**
 * Where all members' vectors lie, after a phase in which they say so; undefined where runs are too short for that. The same on all
 * members, since the headers of their calls are compared.
 */
function placesOf(
  end: CollectiveEnd,
  data: Vector,
  runBytes: number,
  least = limitsOf(end).inPlaceBytes,
): Places | undefined {
  return runBytes < least ? undefined : end.exchange(end.context.registered.placeOf(data));
}

/** Those places if all vectors are registered. */
function sourcesOf(...args: Parameters<typeof placesOf>): readonly Place[] | undefined {
  const places = placesOf(...args);
  return places?.every((place) => place !== undefined) ? places : undefined;
}

/** Bytes of a row of a cut; 0 where there are no rows. */
const rowBytes = ({ outer, inner }: Cut, data: Vector): number => (outer > 0 ? inner * data.BYTES_PER_ELEMENT : 0);

export function allReduce(end: CollectiveEnd, data: Vector, op: ReduceOp): void {
  const sources = sourcesOf(end, data, data.byteLength, limitsOf(end).inPlaceReduceBytes);
  if (sources) inPlace.reduceAll(end, sources, data, op);
  else reduceThroughSlots(end, data, op);
}

function reduceThroughSlots(end: CollectiveEnd, data: Vector, op: ReduceOp): void {
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
  // Phase k: put chunk k into the slot and the own slice of chunk k - 1, reduced, into the output; meet; take chunk k - 1.
  const grain = lineElements(data);
  const chunk = chunkLength(total, chunkBytes / width, grain);
  let start = 0;
  let before = 0;
  do {
    const count = Math.min(chunk, total - start);
    const posted = end.slot(0);
    end.advance();
    if (before > 0) {
      const low = sliceStart(before, me, size, grain);
      const high = sliceStart(before, me + 1, size, grain);
      if (high > low) reduce(end.output() + low * width, posted + low * width, stride, size, high - low, 1, 0);
    }
    if (count > 0) bytes.copyIn(end.slot(me), data, start, count);
    end.meet();
    if (before > 0) bytes.copyOut(end.output(), data, start - before, before);
    start += count;
    before = count;
  } while (before > 0);
}

/** How many whole rows of `size` blocks of `inner` elements go in a phase, or else the columns of one row. */
function tiles({ size, context }: CollectiveEnd, cut: Cut, width: number): { rows: number; columns: number } {
  const { chunkBytes } = context.shared.map.limits;
  const rowBytes = cut.inner * size * width;
  if (rowBytes <= chunkBytes) {
    const most = rowBytes === 0 ? cut.outer : Math.max(1, Math.floor(chunkBytes / rowBytes));
    return { rows: Math.max(1, Math.min(cut.outer, most)), columns: cut.inner };
  }
  const grain = 64 / width;
  const most = Math.floor(chunkBytes / width / size / grain) * grain;
  return { rows: 1, columns: chunkLength(cut.inner, most, grain) };
}

/** Calls `tile` for every tile of a cut; at least once, since every call must meet. */
function forTiles(
  end: CollectiveEnd,
  cut: Cut,
  width: number,
  tile: (row: number, rows: number, column: number, columns: number) => void,
): void {
  const { rows, columns } = tiles(end, cut, width);
  let row = 0;
  do {
    let column = 0;
    do {
      tile(row, Math.min(rows, cut.outer - row), column, Math.min(columns, cut.inner - column));
      column += columns;
    } while (column < cut.inner);
    row += rows;
  } while (row < cut.outer);
}

export function allGather(end: CollectiveEnd, shard: Vector, whole: Vector, cut: Cut, still: boolean): void {
  const mine = still ? end.context.registered.placeOf(shard) : undefined;
  const known = mine && end.stillSources(mine);
  if (known) {
    inPlace.takeShards(end, known, shard, whole, cut.inner);
    end.pass();
    return;
  }
  const sources = sourcesOf(end, shard, rowBytes(cut, shard));
  if (!sources) gatherThroughSlots(end, shard, whole, cut);
  else {
    inPlace.gather(end, sources, shard, whole, cut.inner);
    if (mine) end.setStillSources(mine, sources);
  }
}

function gatherThroughSlots(end: CollectiveEnd, shard: Vector, whole: Vector, cut: Cut): void {
  const { context, size, me } = end;
  const { bytes, kernels } = context;
  const width = shard.BYTES_PER_ELEMENT;
  const { inner } = cut;
  forTiles(end, cut, width, (row, rows, column, columns) => {
    end.advance();
    const from = row * inner + column;
    if (rows === 1) {
      // One row: the blocks are taken from the slots of their owners.
      bytes.copyIn(end.slot(me), shard, from, columns);
      end.meet();
      for (let m = 0; m < size; m++) bytes.copyOut(end.slot(m), whole, (row * size + m) * inner + column, columns);
      return;
    }
    // Many rows: every member lays its blocks into the shared whole, which all then copy in one piece.
    bytes.copyIn(end.slot(me), shard, from, rows * inner);
    const blockBytes = inner * width;
    kernels.spreadRows(end.output() + me * blockBytes, end.slot(me), blockBytes, rows, blockBytes * size);
    end.meet();
    bytes.copyOut(end.output(), whole, row * size * inner, rows * size * inner);
  });
}

export function reduceScatter(end: CollectiveEnd, whole: Vector, shard: Vector, cut: Cut): void {
  // What is reduced in place is written to registered memory: both are, or it is as if neither were.
  const data = end.context.registered.placeOf(shard) ? whole : shard;
  const sources = sourcesOf(end, data, rowBytes(cut, shard));
  if (sources) inPlace.reduceScattered(end, sources, shard, cut.inner);
  else scatterThroughSlots(end, whole, shard, cut);
}

function scatterThroughSlots(end: CollectiveEnd, whole: Vector, shard: Vector, cut: Cut): void {
  const { context, size, me, stride } = end;
  const { bytes } = context;
  const reduce = context.kernel(whole, 'sum');
  const width = whole.BYTES_PER_ELEMENT;
  const { inner } = cut;
  forTiles(end, cut, width, (row, rows, column, columns) => {
    end.advance();
    const slot = end.slot(me);
    if (columns === inner) bytes.copyIn(slot, whole, row * size * inner, rows * size * inner);
    else
      for (let m = 0; m < size; m++)
        bytes.copyIn(slot + m * columns * width, whole, (row * size + m) * inner + column, columns);
    end.meet();
    if (columns === 0 || rows === 0) return;
    const rowBytes = columns * width;
    reduce(end.scratch(), end.slot(0) + me * rowBytes, stride, size, columns, rows, rowBytes * size);
    bytes.copyOut(end.scratch(), shard, row * inner + column, rows * columns);
  });
}

export function allToAll(end: CollectiveEnd, input: Vector, output: Vector): void {
  const sources = sourcesOf(end, input, input.byteLength / end.size);
  if (sources) inPlace.exchange(end, sources, output);
  else exchangeThroughSlots(end, input, output);
}

function exchangeThroughSlots(end: CollectiveEnd, input: Vector, output: Vector): void {
  const { context, size, me } = end;
  const { bytes } = context;
  const width = input.BYTES_PER_ELEMENT;
  const block = input.length / size;
  forTiles(end, { outer: 1, inner: block }, width, (_row, _rows, column, columns) => {
    end.advance();
    const slot = end.slot(me);
    if (columns === block) bytes.copyIn(slot, input, 0, block * size);
    else for (let m = 0; m < size; m++) bytes.copyIn(slot + m * columns * width, input, m * block + column, columns);
    end.meet();
    for (let m = 0; m < size; m++)
      bytes.copyOut(end.slot(m) + me * columns * width, output, m * block + column, columns);
  });
}

export function ringShift(end: CollectiveEnd, input: Vector, output: Vector, shift: number): void {
  const { context, size, me } = end;
  const source = (((me - shift) % size) + size) % size;
  const sources = sourcesOf(end, input, input.byteLength);
  if (sources) {
    inPlace.take(end, sources[source], output);
    return;
  }
  eachChunk(end, input, (start, count) => {
    end.advance();
    context.bytes.copyIn(end.slot(me), input, start, count);
    end.meet();
    context.bytes.copyOut(end.slot(source), output, start, count);
  });
}

export function broadcast(end: CollectiveEnd, data: Vector, root: number): void {
  const { context, me } = end;
  const source = placesOf(end, data, data.byteLength)?.[root];
  if (source) {
    inPlace.take(end, me === root ? undefined : source, data);
    return;
  }
  eachChunk(end, data, (start, count) => {
    end.advance();
    if (me === root) context.bytes.copyIn(end.slot(me), data, start, count);
    end.meet();
    if (me !== root) context.bytes.copyOut(end.slot(root), data, start, count);
  });
}

export function barrier(end: CollectiveEnd): void {
  end.advance();
  end.meet();
}

function eachChunk({ context }: CollectiveEnd, data: Vector, move: (start: number, count: number) => void): void {
  const most = context.shared.map.limits.chunkBytes / data.BYTES_PER_ELEMENT;
  let start = 0;
  do {
    move(start, Math.min(most, data.length - start));
    start += most;
  } while (start < data.length);
}
