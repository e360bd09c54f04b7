// Speed of saving and loading a checkpoint, against plain writes and reads of the same bytes in the same run; and what a checkpoint
// costs the steps beside which it is written.
import { closeSync, fsyncSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { claimOut } from '../src/checkpoint/claim.ts';
import { beginSave, commitSave } from '../src/checkpoint/commit.ts';
import { encodeHeader } from '../src/checkpoint/header.ts';
import { openCheckpoint } from '../src/checkpoint/hf-directory.ts';
import { type CheckpointPlan, planCheckpoint, type TensorSpec } from '../src/checkpoint/plan.ts';
import { type Range, rangeElements } from '../src/checkpoint/ranges.ts';
import { openWriter } from '../src/checkpoint/writer.ts';
import { formatTable } from '../src/cli/ui/table.ts';
import { train } from '../src/train/train.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { benchModel, benchShape, median, withTokens } from './model.ts';

export interface CheckpointBenchRow {
  readonly name: string;
  /** Of tensor bytes in the file that the operation asked for. */
  readonly gigabytesPerSecond: number;
  /** This rate over the plain one of the same direction. */
  readonly ofPlain: number;
}

const rows = 2048;
const columns = 2048;
const count = 12;
const tensors: TensorSpec[] = Array.from({ length: count }, (_, i) => ({
  name: `model.layers.${i}.weight`,
  shape: [rows, columns],
  dtype: 'F32',
}));
const totalBytes = count * rows * columns * 4;

/** What two tensor-parallel ranks hold: halves of the rows, or of the columns. */
const byRows: Range[][] = [
  [
    [0, rows / 2],
    [0, columns],
  ],
  [
    [rows / 2, rows],
    [0, columns],
  ],
];
const byColumns: Range[][] = [
  [
    [0, rows],
    [0, columns / 2],
  ],
  [
    [0, rows],
    [columns / 2, columns],
  ],
];

/** The shortest of some runs, in seconds. */
function seconds(run: () => void, times = 3): number {
  const each = Array.from({ length: times }, () => {
    const start = performance.now();
    run();
    return (performance.now() - start) / 1000;
  });
  return Math.min(...each);
}

function save(out: string, plan: CheckpointPlan, shards: readonly Range[][]): void {
  const data = new Float32Array(rangeElements(shards[0]!)).fill(0.5);
  const { token: claim, release } = claimOut(out);
  beginSave(out, plan, 1, claim);
  const writer = openWriter(out, plan, 1);
  for (const { name } of tensors) for (const ranges of shards) writer.writeSlice(name, ranges, data);
  writer.finish();
  commitSave(out, plan, 1, { claim, config: '{}', manifest: { step: 1 } });
  release();
}

function load(path: string, shards: readonly Range[][]): void {
  const out = new Float32Array(rangeElements(shards[0]!));
  const checkpoint = openCheckpoint(path);
  for (const name of checkpoint.tensors.keys()) for (const ranges of shards) checkpoint.read(name, ranges, out);
  checkpoint.close();
}

function plainWrite(path: string): void {
  const data = new Uint8Array(rows * columns * 4).fill(63);
  const fd = openSync(path, 'w');
  for (let i = 0; i < count; i++) writeSync(fd, data, 0, data.length, i * data.length);
  fsyncSync(fd);
  closeSync(fd);
}

function plainRead(path: string): void {
  const data = new Uint8Array(rows * columns * 4);
  const fd = openSync(path, 'r');
  for (let i = 0; i < count; i++) readSync(fd, data, 0, data.length, i * data.length);
  closeSync(fd);
}

/** A file of the same tensors in bf16. */
function writeHalf(path: string): void {
  const fd = openSync(path, 'w');
  writeSync(fd, encodeHeader(tensors.map(({ name, shape }) => ({ name, shape, dtype: 'BF16' as const }))));
  const data = new Uint16Array(rows * columns).fill(0x3f80);
  for (let i = 0; i < count; i++) writeSync(fd, data);
  closeSync(fd);
}

/** Saves and loads 200 MB in a temporary folder. Writes include flushing to the disk; reads come from the page cache. */
export function checkpointBench(): CheckpointBenchRow[] {
  const root = mkdtempSync(join(tmpdir(), 'fivefold-bench-'));
  try {
    const plan = planCheckpoint({ tensors });
    const whole: Range[][] = [
      [
        [0, rows],
        [0, columns],
      ],
    ];
    const [out, plain, half] = [join(root, 'run'), join(root, 'plain'), join(root, 'half.safetensors')];
    const gigabytes = totalBytes / 1e9;
    const plainWriteRate = gigabytes / seconds(() => plainWrite(plain));
    const row = (name: string, plainRate: number, amount: number, run: () => void): CheckpointBenchRow => {
      const gigabytesPerSecond = amount / seconds(run);
      return { name, gigabytesPerSecond, ofPlain: gigabytesPerSecond / plainRate };
    };
    const writes = [
      { name: 'plain write', gigabytesPerSecond: plainWriteRate, ofPlain: 1 },
      row('save, whole tensors', plainWriteRate, gigabytes, () => save(out, plan, whole)),
      row('save, halves of rows', plainWriteRate, gigabytes, () => save(out, plan, byRows)),
      row('save, halves of columns', plainWriteRate, gigabytes, () => save(out, plan, byColumns)),
    ];
    const plainReadRate = gigabytes / seconds(() => plainRead(plain));
    writeHalf(half);
    return [
      ...writes,
      { name: 'plain read', gigabytesPerSecond: plainReadRate, ofPlain: 1 },
      row('load f32, whole tensors', plainReadRate, gigabytes, () => load(out, whole)),
      row('load f32, one half of rows', plainReadRate, gigabytes / 2, () => load(out, byRows.slice(0, 1))),
      row('load f32, one half of columns', plainReadRate, gigabytes / 2, () => load(out, byColumns.slice(0, 1))),
      row('load bf16 into f32', plainReadRate, gigabytes / 2, () => load(half, whole)),
    ];
  } finally {
    rmSync(root, { recursive: true });
  }
}

export interface SaveCost {
  readonly layout: string;
  /** Median of the steps during which nothing was written. */
  readonly stepSeconds: number;
  /** What a checkpoint written beside the steps adds to them, over a step: median of those of a run. */
  readonly ofStep: number;
  /** The same in CPU time of the process, which other work on the machine changes less. */
  readonly cpuOfStep: number;
  /** The same of the last one, for which the ranks wait. */
  readonly waitedFor: number;
}

const [cycles, saveEvery] = [8, 3] as const;

/** Trains, with a checkpoint after every third step. */
export async function saveCost(layout: string, tokenFile: string): Promise<SaveCost> {
  const out = mkdtempSync(join(tmpdir(), 'fivefold-bench-'));
  /** When each step ended, and when each checkpoint was there. */
  const [ended, saved] = [new Map<number, Moment>(), new Map<number, Moment>()];
  const steps = (cycles + 1) * saveEvery;
  try {
    await train({
      ...{ ...benchShape, model: benchModel, data: tokenFile, layout, precision: 'f32' },
      ...{ steps, saveEvery, out, learningRate: 3e-4, seed: 1 },
      onReport(report) {
        if (report.kind === 'step') ended.set(report.step, moment());
        if (report.kind === 'saved') saved.set(report.step, moment());
      },
    });
  } finally {
    rmSync(out, { recursive: true });
  }
  /** The steps that had not ended when the checkpoint of one before them was there. */
  const beside = (save: number): number[] =>
    Array.from({ length: saveEvery }, (_, i) => save + 1 + i).filter(
      (step, i) => i === 0 || ended.get(step - 1)!.seconds < saved.get(save)!.seconds,
    );
  const saves = Array.from({ length: cycles }, (_, i) => (i + 1) * saveEvery);
  const disturbed = new Set(saves.flatMap(beside));
  const costIn = (clock: keyof Moment): { readonly step: number; readonly save: number } => {
    const took = (step: number): number => ended.get(step)![clock] - ended.get(step - 1)![clock];
    const step = median([...ended.keys()].filter((each) => each > 2 && !disturbed.has(each)).map(took));
    const costs = saves.map((save) => beside(save).reduce((sum, each) => sum + took(each) - step, 0));
    return { step, save: median(costs) };
  };
  const [wall, cpu] = [costIn('seconds'), costIn('cpuSeconds')];
  return {
    layout,
    stepSeconds: wall.step,
    ofStep: wall.save / wall.step,
    cpuOfStep: cpu.save / cpu.step,
    waitedFor: (saved.get(steps)!.seconds - ended.get(steps)!.seconds) / wall.step,
  };
}

interface Moment {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

function moment(): Moment {
  const { user, system } = process.cpuUsage();
  return { seconds: performance.now() / 1000, cpuSeconds: (user + system) / 1e6 };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const { name, gigabytesPerSecond, ofPlain } of checkpointBench()) {
    console.log(`${name.padEnd(32)} ${gigabytesPerSecond.toFixed(2).padStart(6)} GB/s  ${ofPlain.toFixed(2)} of plain`);
  }
  const layouts = Object.keys(marks.saving) as (keyof typeof marks.saving)[];
  const costs = await withTokens(async (tokenFile) => {
    const found: SaveCost[] = [];
    for (const layout of layouts) {
      process.stderr.write(`a run that saves, ${layout}\n`);
      found.push(await saveCost(layout, tokenFile));
    }
    return found;
  });
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const shown = costs.map(({ layout, stepSeconds, ofStep, cpuOfStep, waitedFor }) => [
    layout,
    `${stepSeconds.toFixed(2)} s`,
    percent(ofStep),
    percent(cpuOfStep),
    percent(waitedFor),
  ]);
  console.log(
    `\n${formatTable({ head: ['a checkpoint, of a step', 'step', 'beside the steps', 'in CPU time', 'waited for'], rows: shown })}\n`,
  );
  printVerdicts(judge(marks.saving, (name) => costs.find(({ layout }) => layout === name)!.ofStep));
}
