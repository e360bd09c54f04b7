// The command that measures what more ranks gain: `fivefold scale`.
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { findModel } from '../checkpoint/model-source.ts';
import { FivefoldError } from '../errors.ts';
import { type Layout, oneRank, printLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import type { ModelConfig } from '../model/config.ts';
import { checkFit } from '../model/fit.ts';
import { createPool } from '../runtime/world-pool.ts';
import { defaultMicroBatch } from '../train/auto-layout.ts';
import { type TrainOptions, train } from '../train/train.ts';
import { type CliIo, throwIfStopped, writeJson, writeLine } from './io.ts';
import { addOptions, type OptionValues } from './options.ts';
import { imbalance, median, rankCounts, type ScaleResult, scaledAxes, scalingOf } from './scaling.ts';
import { formatScaling } from './scaling-report.ts';
import { withTemporary } from './temporary.ts';
import { wantsColour } from './ui/colour.ts';
import { createProgress } from './ui/progress.ts';

const defaults = { model: 'llama-tiny', steps: 6, seqLen: 256, globalBatch: 8, repeats: 3, precision: 'f32' } as const;
type Values = OptionValues<
  | 'model'
  | 'maxRanks'
  | 'steps'
  | 'seqLen'
  | 'globalBatch'
  | 'microBatch'
  | 'repeats'
  | 'precision'
  | 'timeout'
  | 'json'
>;

export function addScale(program: Command, io: CliIo): void {
  const command = program.command('scale').description('measure speedup over ranks').allowExcessArguments(false);
  const read = addOptions(command, {
    model: defaults.model,
    maxRanks: 'the cores of this machine',
    steps: `${defaults.steps} of each run; the first is not timed`,
    repeats: `${defaults.repeats}`,
    seqLen: `${defaults.seqLen}`,
    globalBatch: `${defaults.globalBatch}`,
    microBatch: 'up to 4, less with pp',
    precision: defaults.precision,
    timeout: '300',
    json: '',
    debug: '',
  });
  command.addHelpText(
    'after',
    `
Examples:
  $ fivefold scale
  $ fivefold scale --model llama-medium --max-ranks 8 --steps 4 --json

The same training steps run on 1 to N ranks, split by data (dp), tensor (tp) and pipeline (pp), where that divides them. All
layouts run in turn, repeatedly, so that other load on the machine hits them alike; times are medians.

With --json, a line a layout: {"axis", "ranks", "layout", "stepSeconds", "speedup", "efficiency", "serialFraction",
"communicationShare", "imbalance", "allowedEfficiency"}, and at the end {"done": true, "cores", "oneRankSeconds"}.`,
  );
  command.action(() => runScale(read(), io));
}

interface Candidate {
  readonly axis: ScaleResult['axis'];
  readonly layout: Layout;
  readonly microBatch: number;
}

async function runScale(values: Values, io: CliIo): Promise<void> {
  const cores = availableParallelism();
  const model = findModel(values.model ?? defaults.model);
  const seqLen = values.seqLen ?? Math.min(defaults.seqLen, model.config.positions.max);
  const globalBatch = values.globalBatch ?? defaults.globalBatch;
  const shape = { seqLen, globalBatch, microBatch: values.microBatch };
  // What one rank cannot do is wrong for every number of ranks.
  const one = {
    axis: 'dp',
    layout: oneRank,
    microBatch: shape.microBatch ?? defaultMicroBatch(globalBatch, oneRank),
  } as const;
  checkFit(model.config, oneRank, { ...shape, microBatch: one.microBatch });
  const candidates = [one, ...candidatesOf(model.config, values.maxRanks ?? Math.max(2, cores), shape)];
  const { timeout } = values;
  const common = {
    model,
    seqLen,
    globalBatch,
    precision: values.precision ?? defaults.precision,
    steps: Math.max(2, values.steps ?? defaults.steps),
    learningRate: 1e-3,
    seed: 0,
    ...(timeout === undefined ? {} : { timeoutSeconds: timeout }),
  };
  const json = values.json === true;
  const runs = await withTemporary((directory) => {
    const tokenFile = join(directory, 'tokens.i32.bin');
    writeFileSync(tokenFile, someTokens(model.config.vocabSize, 64 * seqLen + 1));
    return measure(
      candidates,
      { ...common, sources: [{ path: tokenFile }] },
      values.repeats ?? defaults.repeats,
      json,
      io,
    );
  });

  const oneRankSeconds = median(runs[0]!.seconds);
  const results = candidates
    .slice(1)
    .map((candidate, index) => resultOf(candidate, runs[index + 1]!, oneRankSeconds, globalBatch));
  if (!json) {
    writeLine(io.stdout, formatScaling(results, { cores, oneRankSeconds, colour: wantsColour(io.stdout) }));
    return;
  }
  for (const result of results)
    writeJson(io.stdout, {
      ...result,
      serialFraction: Number.isFinite(result.serialFraction) ? result.serialFraction : null,
    });
  writeJson(io.stdout, { done: true, cores, oneRankSeconds });
}

/** Every axis alone with every number of ranks that divides the model and the batch. */
function candidatesOf(
  config: ModelConfig,
  most: number,
  shape: { readonly seqLen: number; readonly globalBatch: number; readonly microBatch: number | undefined },
): Candidate[] {
  return scaledAxes.flatMap((axis) =>
    rankCounts(most)
      .filter((ranks) => ranks > 1)
      .flatMap((ranks): Candidate[] => {
        const layout: Layout = { ...oneRank, [axis]: ranks };
        const microBatch = shape.microBatch ?? defaultMicroBatch(shape.globalBatch, layout);
        try {
          checkFit(config, layout, { ...shape, microBatch });
        } catch (error) {
          if (error instanceof FivefoldError) return [];
          throw error;
        }
        return [{ axis, layout, microBatch }];
      }),
  );
}

interface Run {
  readonly seconds: number[];
  readonly communicationShares: number[];
  readonly imbalances: number[];
}

/** Runs all candidates once, then all once more, and so on. */
async function measure(
  candidates: readonly Candidate[],
  options: Omit<TrainOptions, 'layout' | 'microBatch'>,
  repeats: number,
  quiet: boolean,
  io: CliIo,
): Promise<Run[]> {
  const runs = candidates.map((): Run => ({ seconds: [], communicationShares: [], imbalances: [] }));
  const pool = createPool();
  const total = repeats * candidates.length;
  const progress = quiet ? undefined : createProgress({ total, label: 'scale', stream: io.stderr });
  try {
    for (let done = 0; done < total; done++) {
      const index = done % candidates.length;
      const { layout, microBatch } = candidates[index]!;
      const { steps, ranks } = await train({ ...options, layout, microBatch, pool, signal: io.signal });
      const run = runs[index]!;
      run.seconds.push(...steps.slice(1).map(({ seconds }) => seconds));
      const talking = ranks.reduce((sum, { communicationSeconds }) => sum + communicationSeconds, 0);
      const computing = ranks.reduce((sum, { computeSeconds }) => sum + computeSeconds, 0);
      run.communicationShares.push(talking / (talking + computing));
      run.imbalances.push(imbalance(ranks.map(({ computeSeconds }) => computeSeconds)));
      progress?.update({ step: done + 1 });
    }
  } catch (error) {
    throwIfStopped(io);
    throw error;
  } finally {
    progress?.stop();
    await pool.close();
  }
  return runs;
}

function resultOf(
  { axis, layout, microBatch }: Candidate,
  run: Run,
  oneRankSeconds: number,
  globalBatch: number,
): ScaleResult {
  const ranks = worldSize(layout);
  const stepSeconds = median(run.seconds);
  const microbatches = globalBatch / layout.dp / microBatch;
  return {
    axis,
    ranks,
    layout: printLayout(layout),
    stepSeconds,
    ...scalingOf(ranks, stepSeconds, oneRankSeconds),
    communicationShare: median(run.communicationShares),
    imbalance: median(run.imbalances),
    allowedEfficiency: microbatches / (microbatches + layout.pp - 1),
  };
}

/** What is trained on does not matter for its speed. */
const someTokens = (vocabSize: number, count: number): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => (i * 7 + (i >> 5)) % vocabSize);
