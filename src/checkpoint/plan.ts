// Where every tensor of a checkpoint will lie: files, headers and byte positions, computed alike by every rank.
import assert from 'node:assert';
import { elements } from '../program/program.ts';
import { dtypeBytes } from './dtypes.ts';
import { encodeHeader } from './header.ts';

/** The types that weights are saved in, by our names. */
export const savedDtypes = { bf16: 'BF16', f32: 'F32', f64: 'F64' } as const;
export type WeightsType = keyof typeof savedDtypes;
export type SavedDtype = (typeof savedDtypes)[WeightsType];

/** The same types as config.json names them. */
export const configDtypes = { bf16: 'bfloat16', f32: 'float32', f64: 'float64' } as const;

export interface TensorSpec {
  readonly name: string;
  /** Of the whole tensor, not of a shard. */
  readonly shape: readonly number[];
  readonly dtype: SavedDtype;
}

export interface PlannedTensor extends TensorSpec {
  /** Place in {@link CheckpointPlan.files}. */
  readonly file: number;
  /** Byte of the file where its numbers start. */
  readonly begin: number;
}

export interface PlannedFile {
  readonly kind: 'model' | 'optimizer';
  /** From 1. */
  readonly part: number;
  readonly parts: number;
  readonly header: Uint8Array;
  /** Length of the file. */
  readonly bytes: number;
}

export interface CheckpointPlan {
  readonly files: readonly PlannedFile[];
  readonly tensors: ReadonlyMap<string, PlannedTensor>;
}

/** Hugging Face's own customary limit, in bytes. */
export const defaultMaxFileBytes = 4 * 2 ** 30;

/**
 * Plans the files of a checkpoint. A file is closed when the next tensor would take its numbers past `maxFileBytes`, so only a
 * tensor larger than that makes a larger file. Names must be unique over the weights and the optimizer state.
 */
export function planCheckpoint(options: {
  /** The weights, under their Hugging Face names. */
  readonly tensors: readonly TensorSpec[];
  readonly optimizer?: readonly TensorSpec[];
  readonly maxFileBytes?: number;
}): CheckpointPlan {
  const { tensors, optimizer = [], maxFileBytes = defaultMaxFileBytes } = options;
  const files: PlannedFile[] = [];
  const placed = new Map<string, PlannedTensor>();
  for (const [kind, specs] of [['model', tensors] as const, ['optimizer', optimizer] as const]) {
    const groups = groupBySize(specs, maxFileBytes);
    for (const [i, group] of groups.entries()) {
      const header = encodeHeader(group);
      let begin = header.length;
      for (const spec of group) {
        assert(!placed.has(spec.name), `two tensors are called ${spec.name}`);
        placed.set(spec.name, { ...spec, file: files.length, begin });
        begin += tensorBytes(spec);
      }
      files.push({ kind, part: i + 1, parts: groups.length, header, bytes: begin });
    }
  }
  return { files, tensors: placed };
}

export const tensorBytes = (spec: TensorSpec): number => elements(spec.shape) * dtypeBytes[spec.dtype];

function groupBySize(specs: readonly TensorSpec[], maxFileBytes: number): TensorSpec[][] {
  const groups: TensorSpec[][] = [];
  let room = 0;
  for (const spec of specs) {
    const bytes = tensorBytes(spec);
    if (groups.length === 0 || bytes > room) {
      groups.push([]);
      room = maxFileBytes;
    }
    groups.at(-1)!.push(spec);
    room -= bytes;
  }
  // Wider numbers first, so that each tensor starts at a multiple of its element's size.
  for (const group of groups) group.sort((a, b) => dtypeBytes[b.dtype] - dtypeBytes[a.dtype]);
  return groups;
}

/** The name of a planned file in the save with this tag; see {@link saveTag}. */
export function fileName({ kind, part, parts }: PlannedFile, tag: string): string {
  if (kind === 'optimizer' && parts === 1) return `optimizer-${tag}.safetensors`;
  const digits = (n: number) => String(n).padStart(5, '0');
  return `${kind}-${tag}-${digits(part)}-of-${digits(parts)}.safetensors`;
}

/**
 * The part of the file names that tells this save from the committed one. Saving a step again must not touch the files that are
 * committed for it, so it takes a second name.
 */
export function saveTag(step: number, committedFiles: readonly string[]): string {
  const tag = `step${String(step).padStart(6, '0')}`;
  return committedFiles.some((name) => name.includes(`-${tag}-`) || name.includes(`-${tag}.`)) ? `${tag}b` : tag;
}

/** Whether a save could have made a file of this name. */
export const isStepFile = (name: string): boolean =>
  /^(model|optimizer)-step\d{6,}b?(-\d{5,}-of-\d{5,})?\.safetensors$/.test(name);
