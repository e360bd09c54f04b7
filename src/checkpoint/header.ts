// The header of a safetensors file: 8 bytes of length, then JSON that names each tensor's dtype, shape and bytes.
import * as z from 'zod';
import { elements } from '../program/program.ts';
import { broken, isPlainName, parsedAs, shown } from './broken.ts';
import { type Dtype, dtypeBytes, isDtype } from './dtypes.ts';
import { parseJson } from './json.ts';

/** Where a tensor lies in its file. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Byte of the file where its numbers start. */
  readonly begin: number;
  readonly bytes: number;
}

/** The format's own limit on the length of the JSON, in bytes. */
export const maxHeaderBytes = 100_000_000;
/** More dims than any tensor of a model has. */
const maxDims = 16;

const size = z.number().int().nonnegative();
const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(size).max(maxDims),
  data_offsets: z.tuple([size, size]),
});

/**
 * The length of the JSON, from the file's first 8 bytes.
 * @throws CHECKPOINT_BROKEN when the file cannot hold a header of that length.
 */
export function headerLength(path: string, first: Buffer, fileBytes: number): number {
  if (first.toString('latin1') === 'version ') {
    broken(path, 'it is a Git LFS pointer and not the weights', 'fetch the weights with git lfs pull');
  }
  if (fileBytes < 10) broken(path, `its ${fileBytes} bytes are too few for a safetensors file`);
  const length = Number(first.readBigUInt64LE());
  if (length < 2 || length > maxHeaderBytes) {
    broken(path, `its header claims ${length} bytes, so it is not a safetensors file`, 'give a .safetensors file');
  }
  if (8 + length > fileBytes) {
    broken(path, `truncated within the header: ${8 + length} bytes needed, the file has ${fileBytes}`);
  }
  return length;
}

/**
 * The tensors of a header in the order of their bytes.
 * @throws CHECKPOINT_BROKEN unless every dtype is known, sizes agree with shapes, and the tensors fill the file without a hole or an overlap.
 */
export function parseHeader(path: string, json: Buffer, fileBytes: number): ReadonlyMap<string, TensorInfo> {
  const dataStart = 8 + json.length;
  const header = parseJson(path, json.toString(), 'its header');
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    return broken(path, 'its header is not a JSON object');
  const tensors = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => parseEntry(path, dataStart, name, entry))
    .sort((a, b) => a.begin - b.begin || a.bytes - b.bytes);
  let end = dataStart;
  let previous = 'the header';
  for (const { name, begin, bytes } of tensors) {
    if (begin < end) broken(path, `tensor ${name} overlaps ${previous}`);
    if (begin > end) broken(path, `${begin - end} bytes between ${previous} and tensor ${name} belong to no tensor`);
    end = begin + bytes;
    previous = `tensor ${name}`;
    if (end > fileBytes) broken(path, `truncated: ${previous} ends at byte ${end}, the file has ${fileBytes}`);
  }
  if (end < fileBytes) broken(path, `${fileBytes - end} bytes after ${previous} belong to no tensor`);
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

function parseEntry(path: string, dataStart: number, name: string, entry: unknown): TensorInfo {
  if (!isPlainName(name)) broken(path, `a tensor is called "${shown(name)}", which no tensor can be`);
  const { dtype, shape, data_offsets: offsets } = parsedAs(path, entrySchema, entry, `tensor ${name}`);
  if (!isDtype(dtype)) {
    broken(
      path,
      `tensor ${name} has the unknown dtype ${shown(dtype)}`,
      `use one of ${Object.keys(dtypeBytes).join(', ')}`,
    );
  }
  const [begin, end] = offsets;
  // A product past 2^53 is inexact, but no smaller for it: it never equals the difference of two safe integers.
  if (end - begin !== elements(shape) * dtypeBytes[dtype]) {
    broken(path, `tensor ${name}: bytes ${begin} to ${end} do not hold ${dtype} of shape [${shape}]`);
  }
  return { name, dtype, shape, begin: dataStart + begin, bytes: end - begin };
}

/**
 * The length and the JSON of a file with these tensors one after another, padded so that the numbers start at a multiple of 8 bytes.
 * `notes` go to its metadata.
 */
export function encodeHeader(
  tensors: readonly { readonly name: string; readonly dtype: Dtype; readonly shape: readonly number[] }[],
  notes: Readonly<Record<string, string>> = {},
): Uint8Array {
  // transformers refuses a file that does not say its format is "pt".
  const entries: [string, unknown][] = [['__metadata__', { format: 'pt', ...notes }]];
  let begin = 0;
  for (const { name, dtype, shape } of tensors) {
    const end = begin + elements(shape) * dtypeBytes[dtype];
    entries.push([name, { dtype, shape, data_offsets: [begin, end] }]);
    begin = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const padded = Math.ceil(json.length / 8) * 8;
  const header = Buffer.alloc(8 + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded));
  json.copy(header, 8);
  return header;
}
