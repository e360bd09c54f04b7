// CPU time in which the step of one rank of 8 big layers and 32 microbatches is built, once the code is warm: `npx tsx bench/build.ts`.
import { fileURLToPath } from 'node:url';
import { findModel } from '../src/checkpoint/model-source.ts';
import { formatTable } from '../src/cli/ui/table.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { worldSize } from '../src/mesh/mesh.ts';
import { buildTrainingStep } from '../src/step/training-step.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { median } from './model.ts';

const layersOfARank = 8;

const layouts = [
  'tp=1',
  'tp=1,recompute=full',
  'tp=2,sp',
  'dp=2,zero=1',
  'dp=2,zero=3',
  'pp=2',
  'pp=2,virtual=2',
  'pp=2,schedule=zb-h1',
  'tp=2,sp,pp=2,dp=2,zero=3',
] as const;

const sizes = ['hidden_size=4096', 'num_attention_heads=32', 'num_key_value_heads=8', 'intermediate_size=14336'];

/** Milliseconds of each build of the first and the last rank, and how much was built. */
export interface BuildSamples {
  readonly instructions: number;
  readonly milliseconds: readonly (readonly number[])[];
}

export function benchBuild(layout: string, builds: number): BuildSamples {
  const parsed = parseLayout(layout);
  const layers = layersOfARank * parsed.pp;
  const { config } = findModel('llama-medium', [...sizes, `num_hidden_layers=${layers}`, 'vocab_size=32000']);
  const settings = { config, layout: parsed, seqLen: 2048, microBatch: 1, microbatches: 32, precision: 'f32' } as const;
  const ranks = [...new Set([0, worldSize(parsed) - 1])];
  const build = (rank: number) => buildTrainingStep(settings, rank);
  for (let i = 0; i < warmUp; i++) ranks.forEach(build);
  return {
    instructions: Math.max(...ranks.map((rank) => build(rank).instructions.length)),
    milliseconds: ranks.map((rank) =>
      Array.from({ length: builds }, () => {
        const start = process.cpuUsage();
        build(rank);
        const { user, system } = process.cpuUsage(start);
        return (user + system) / 1000;
      }),
    ),
  };
}

const warmUp = 10;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const samples = new Map(layouts.map((layout) => [layout, benchBuild(layout, 15)]));
  const slowest = ({ milliseconds }: BuildSamples) => Math.max(...milliseconds.map(median));
  const rows = [...samples].map(([layout, found]) => [
    layout,
    found.instructions,
    slowest(found).toFixed(1),
    Math.min(...found.milliseconds.flat()).toFixed(1),
  ]);
  console.log(formatTable({ head: ['layout', 'instructions', 'ms of CPU, median', 'least'], rows }));
  console.log();
  const names = layouts.map((layout) => [`built in ms, ${layout}`, marks.build] as const);
  const figures = new Map(layouts.map((layout) => [`built in ms, ${layout}`, slowest(samples.get(layout)!)]));
  printVerdicts(judge(Object.fromEntries(names), (name) => figures.get(name)));
}
