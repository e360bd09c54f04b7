// Measured operators as the kernel model sees them: kernels on a GPU, formats, and the seconds that they took.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KernelFormats } from '../../src/plan/cost/cost-model.ts';
import { deviceOf } from '../../src/plan/hardware/catalogue/devices.ts';
import type { Device } from '../../src/plan/hardware/device.ts';
import { formatBytes, type NumberFormat } from '../../src/plan/hardware/number-format.ts';
import type { KernelShape } from '../../src/program/kernel-shape.ts';

export type Table = 'gemm' | 'attention' | 'moe';

export interface Row {
  readonly table: Table;
  readonly gpu: string;
  readonly device: Device;
  /** As tables name formats and kinds, for reports. */
  readonly kind: string;
  /** What is varied together: rows of one shape are fitted to, or held out, as one. */
  readonly shape: string;
  /** For reports: the class of its size. */
  readonly size: string;
  readonly kernels: readonly KernelShape[];
  /** Elements that the stack around them moves besides: of a mixture, those of all slots, other ranks' too, at every rank. */
  readonly beside?: number;
  readonly formats: KernelFormats;
  readonly seconds: number;
}

/** Rows of a table of comma-separated values; fields may be quoted. */
function records(folder: string, file: string): Record<string, string>[] {
  const [head, ...lines] = readFileSync(join(folder, file), 'utf8').trimEnd().split('\n');
  const cells = (line: string) =>
    [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  const names = cells(head!);
  return lines.map((line) => Object.fromEntries(cells(line).map((cell, at) => [names[at]!, cell])));
}

const formatOf: Readonly<Record<string, NumberFormat>> = {
  bfloat16: 'bf16',
  fp8: 'fp8',
  fp8_block: 'mxfp8',
  nvfp4: 'nvfp4',
};

const classOf = (count: number, bounds: readonly number[], name: string) => {
  const above = bounds.filter((bound) => count > bound).length;
  const low = above === 0 ? '' : `${bounds[above - 1]! + 1}`;
  return above === bounds.length
    ? `${name} ≥ ${low}`
    : low
      ? `${name} ${low}-${bounds[above]}`
      : `${name} ≤ ${bounds[0]}`;
};

function gemmRows(folder: string): Row[] {
  const rows = records(folder, 'ops-gemm.csv').map((row): Row => {
    const [m, n, k] = [Number(row.m), Number(row.n), Number(row.k)];
    return {
      table: 'gemm',
      gpu: row.gpu!,
      device: deviceOf(row.gpu!),
      kind: row.dtype!,
      shape: `${n} ${k}`,
      size: classOf(m, [64, 1024], 'm'),
      kernels: [{ kind: 'matmul', batch: 1, m, n, k }],
      formats: { products: formatOf[row.dtype!]!, activations: 'bf16' },
      seconds: Number(row.latency_ms) / 1e3,
    };
  });
  return withoutHostBound(rows);
}

/** Kernels that their host could not launch faster took as long whatever their size: rows no slower than that say nothing of a GPU. */
function withoutHostBound(rows: readonly Row[]): Row[] {
  const blocks = rows.filter(({ kind }) => kind === 'fp8_block');
  const floors = new Map(
    [...new Set(blocks.map(({ gpu }) => gpu))].map((of) => {
      const small = blocks
        .filter(({ gpu, size }) => gpu === of && size.startsWith('m ≤'))
        .map(({ seconds }) => seconds);
      return [of, small.sort((a, b) => a - b)[Math.floor(0.9 * small.length)]!];
    }),
  );
  return rows.filter(({ gpu, kind, seconds }) => kind !== 'fp8_block' || seconds > 1.2 * floors.get(gpu)!);
}

function attentionRows(folder: string): Row[] {
  const rows = records(folder, 'ops-attention.csv').map((row): Row => {
    const [batch, heads, kvHeads, headDim] = [row.batch, row.heads, row.kv_heads, row.head_dim].map(Number) as [
      number,
      number,
      number,
      number,
    ];
    const decode = row.op!.startsWith('generation');
    const queries = decode ? 1 : Number(row.isl);
    const keys = decode ? Number(row.kv_len_step) + 1 : queries;
    const scores = decode ? keys : (queries * (queries + 1)) / 2;
    const narrow = row.kv_dtype === 'fp8';
    const added = batch * kvHeads * queries * 2 * headDim;
    return {
      table: 'attention',
      gpu: row.gpu!,
      device: deviceOf(row.gpu!),
      kind: `${decode ? 'decode' : 'prefill'} ${row.kv_dtype}`,
      shape: `${heads} ${kvHeads}`,
      size: decode
        ? classOf(batch * kvHeads * keys, [131072, 1048576], 'keys')
        : classOf(queries, [512, 2048], 'queries'),
      kernels: [
        {
          kind: 'attention',
          pass: 'forward',
          batch,
          heads,
          kvHeads,
          headDim,
          valueDim: headDim,
          queries,
          keys,
          scores,
        },
        // New keys and values are put where the cache is, in its format.
        { kind: 'memory', floats: added, bytes: added * (narrow ? 1 : 2) },
      ],
      formats: { products: 'bf16', activations: 'bf16', attention: narrow ? 'fp8' : 'bf16' },
      seconds: Number(row.latency_ms) / 1e3,
    };
  });
  return rows.filter((row) => !repeatedFromCache(row));
}

/** A kernel that is measured again and again finds keys and values in the cache, where a model's other layers would have put theirs. */
function repeatedFromCache({ kernels: [kernel], formats, device }: Row): boolean {
  if (kernel?.kind !== 'attention' || kernel.queries > 1) return false;
  const { batch, kvHeads, keys, headDim } = kernel;
  const bytes = batch * kvHeads * keys * 2 * headDim * formatBytes[formats.attention!];
  return bytes > 0.1 * device.cacheBytes && bytes < 1.5 * device.cacheBytes;
}

const moeRows = (folder: string): Row[] =>
  records(folder, 'ops-moe.csv')
    // On Blackwell, Triton's kernels are what is left where TensorRT-LLM's do not go.
    .filter((row) => !(/b[23]00/.test(row.gpu!) && row.kernel_source!.includes('triton')))
    // DeepSeek-V3 routes within half of its groups of experts: what is called balanced leaves the other half idle.
    .filter((row) => row.routing_distribution === 'balanced' && row.model !== 'DeepSeek-V3/R1')
    .map((row): Row => {
      const [hidden, inter, topk, experts, tp, ep, tokens] = [
        row.hidden,
        row.inter,
        row.topk,
        row.experts,
        row.moe_tp,
        row.moe_ep,
        row.num_tokens,
      ].map(Number) as [number, number, number, number, number, number, number];
      const groups = experts / ep;
      const rows = Math.max(1, (tokens * topk) / ep);
      const width = inter / tp;
      return {
        table: 'moe',
        gpu: row.gpu!,
        device: deviceOf(row.gpu!),
        kind: `${row.kernel_source!.includes('triton') ? 'triton' : 'trtllm'} ${row.dtype}`,
        shape: `${row.model} ${tp} ${ep}`,
        size: classOf(rows / groups, [8, 256], 'rows'),
        kernels: [
          { kind: 'grouped', groups, rows, n: 2 * width, k: hidden },
          { kind: 'grouped', groups, rows, n: hidden, k: width },
        ],
        beside: tokens * topk * (hidden + width),
        formats: { products: formatOf[row.dtype!]!, activations: 'bf16' },
        seconds: Number(row.latency_ms) / 1e3,
      };
    });

/** Of all tables. */
export const measuredRows = (folder: string): Row[] => [
  ...gemmRows(folder),
  ...attentionRows(folder),
  ...moeRows(folder),
];

/** Half of the shapes, whatever GPU and format they were measured on. */
export function heldOut({ shape }: Row): boolean {
  let hash = 2166136261;
  for (const character of shape) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (((hash ^ (hash >>> 16)) >>> 3) & 1) === 1;
}
