// Seconds of attention that never holds its scores: tiles of queries dealt out to multiprocessors, or keys and values read from memory.
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { Device } from '../hardware/device.ts';
import { backwardFlops, backwardShare, type KernelParameters } from './kernel-parameters.ts';
import { movedSeconds } from './products.ts';

type Attention = Extract<KernelShape, { readonly kind: 'attention' }>;

/** Keys are not split into parts of fewer. */
const leastKeys = 128;

/**
 * `bytes`: of an element of queries and outputs; `keyBytes`: of keys and values. `flopsPerSecond`: of all multiprocessors at best.
 * Backward reads and writes what forward does, the gradients of all of it, and sums of the queries' in fp32.
 */
export function attentionSeconds(
  { pass, batch, heads, kvHeads, headDim, valueDim, queries, keys, scores, valuesInKeys }: Attention,
  device: Device,
  bytes: number,
  keyBytes: number,
  parameters: KernelParameters,
  flopsPerSecond: number,
): number {
  const {
    launchSeconds,
    memoryShare,
    cacheRatio,
    queryRows,
    attentionShare,
    attentionNarrow,
    scoreFlops,
    rampKeys,
    exposed,
  } = parameters;
  const back = pass === 'backward';
  const units = device.multiprocessors;
  const dims = headDim + valueDim;
  const perRow = (heads / kvHeads) * queries;
  const rows = perRow > queryRows / 2 ? queryRows : perRow > queryRows / 4 ? queryRows / 2 : queryRows / 4;
  const tiles = batch * kvHeads * Math.ceil(perRow / rows);
  const parts = 2 * tiles <= units && !back ? Math.min(Math.floor(units / tiles), Math.ceil(keys / leastKeys)) : 1;

  // No tile is done before the one that sees the most keys: twice the mean of a causal mask, at most all.
  const seen = scores / queries;
  const narrow = keyBytes < bytes;
  const share = attentionShare * (back ? backwardShare : 1) * (narrow ? attentionNarrow : 1);
  const flops = (back ? backwardFlops : 1) * (2 * dims + scoreFlops);
  const longest = Math.min(keys, 2 * seen) / parts + rampKeys;
  const waves = Math.max(((tiles * parts) / units) * (seen / parts + rampKeys), longest);
  const compute = (rows * waves * flops * units) / (flopsPerSecond * share);

  const queryBytes = batch * heads * queries * dims * bytes;
  const read = batch * kvHeads * Math.min(keys, scores) * (valuesInKeys ? headDim : dims) * keyBytes;
  const moved = back ? 3 * queryBytes + 2 * batch * heads * queries * headDim * 4 + 2 * read : queryBytes + read;
  const busy = Math.min(1, (tiles * parts) / units);
  const memory = moved / (device.memoryBytesPerSecond * Math.min(memoryShare, cacheRatio * busy));
  const narrowing = narrow
    ? movedSeconds(batch * heads * queries * headDim * (bytes + keyBytes), device, parameters)
    : 0;
  const fixed = launchSeconds + parameters.attentionSeconds + narrowing;
  return fixed + (compute > memory ? compute + exposed * memory : memory + exposed * compute);
}
