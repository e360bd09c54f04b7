// Resident memory of real runs against its estimate, each run in a process of its own: `npx tsx bench/resident-memory.ts` (Linux, minutes).
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseLayout } from '../src/mesh/layout.ts';
import { parseModelConfig } from '../src/model/families.ts';
import { presets } from '../src/model/presets.ts';
import { estimateTraining } from '../src/plan/memory.ts';
import { train } from '../src/train/train.ts';
import { withTokens } from './model.ts';

interface Shape {
  readonly preset: string;
  readonly vocabulary?: number;
  readonly layout: string;
  readonly seqLen: number;
  readonly globalBatch: number;
  readonly microBatch: number;
}

const shapes: readonly Shape[] = [
  { preset: 'llama-tiny', layout: 'tp=1', seqLen: 64, globalBatch: 4, microBatch: 2 },
  { preset: 'llama-tiny', layout: 'tp=4', seqLen: 256, globalBatch: 8, microBatch: 4 },
  { preset: 'llama-small', layout: 'tp=2,pp=2', seqLen: 256, globalBatch: 8, microBatch: 2 },
  { preset: 'llama-small', vocabulary: 32000, layout: 'tp=1', seqLen: 512, globalBatch: 4, microBatch: 4 },
  { preset: 'llama-small', vocabulary: 32000, layout: 'tp=2', seqLen: 512, globalBatch: 4, microBatch: 4 },
  { preset: 'llama-medium', layout: 'dp=2', seqLen: 512, globalBatch: 8, microBatch: 4 },
  { preset: 'llama-medium', layout: 'tp=1', seqLen: 2048, globalBatch: 2, microBatch: 1 },
  { preset: 'gpt2', layout: 'tp=1', seqLen: 256, globalBatch: 2, microBatch: 1 },
];

/** The most this process has had resident, in bytes. */
const peakResident = (): number => Number(/VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;

async function measure({ preset, vocabulary, layout: text, ...batch }: Shape): Promise<string> {
  const json = { ...presets[preset], ...(vocabulary === undefined ? {} : { vocab_size: vocabulary }) };
  const config = parseModelConfig(json, preset);
  const layout = parseLayout(text);
  const microbatches = batch.globalBatch / layout.dp / batch.microBatch;
  const { total } = estimateTraining({ config, layout, ...batch, microbatches, precision: 'f32' });
  const options = {
    model: { config },
    layout,
    ...batch,
    precision: 'f32',
    steps: 3,
    learningRate: 1e-4,
    seed: 1,
  } as const;
  await withTokens((tokenFile) => train({ ...options, data: tokenFile }));
  const MB = 2 ** 20;
  const what = `${preset}${vocabulary ? ` (${vocabulary} tokens)` : ''} ${text}, ${batch.microBatch} x ${batch.seqLen}`;
  const measured = peakResident();
  return `${what}: estimated ${Math.round(total / MB)} MiB, measured ${Math.round(measured / MB)}, ${(measured / total).toFixed(2)} of it`;
}

const [, file = '', index] = process.argv;
if (index !== undefined) console.log(await measure(shapes[Number(index)]!));
else if (file === fileURLToPath(import.meta.url))
  for (const place of shapes.keys())
    process.stdout.write(execFileSync(process.execPath, ['--import', 'tsx', file, `${place}`]));
