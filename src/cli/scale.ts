// The command that measures what more ranks gain: `fivefold scale`.
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { findModel } from '../checkpoint/model-source.ts';
import { FivefoldError, fail, option } from '../errors.ts';
import { withTemporary } from '../files/temporary.ts';
import { type Layout, oneRank, printLayout } from '../mesh/layout.ts';
import { replicasOf, worldSize } from '../mesh/mesh.ts';
import type { ModelConfig } from '../model/config.ts';
import { checkFit } from '../model/fit.ts';
import { refusePlanOnly } from '../model/plan-only.ts';
import { estimateStep } from '../plan/estimate-step.ts';
import { scalingOf } from '../plan/scaling.ts';
import type { StepSettings } from '../step/settings.ts';
import { defaultMicroBatch } from '../train/micro-batch.ts';
import { type CliIo, writeJson, writeLine } from './io.ts';
import { addOptions, type OptionValues } from './options.ts';
import { allowedEfficiency, rankCounts, type ScaleResult, scaledAxes } from './scaling.ts';
import { alikeAndBySpeed, speedsToCompare } from './scaling-by-speed.ts';
import { formatScaling, formatTimeline, winsBySpeed } from './scaling-report.ts';
import { type Candidate, type MachineRates, type Run, runScaling } from './scaling-runs.ts';
import { wantsColour } from './ui/colour.ts';
import { columnsOf } from './ui/wrap.ts';

const defaults = { model: 'llama-tiny', steps: 6, seqLen: 256, globalBatch: 8, repeats: 3, precision: 'f32' } as const;
type Values = OptionValues<
  | 'model'
  | 'axis'
  | 'maxRanks'
  | 'steps'
  | 'seqLen'
  | 'globalBatch'
  | 'microBatch'
  | 'repeats'
  | 'precision'
  | 'weak'
  | 'speeds'
  | 'timeoutSeconds'
  | 'json'
>;

export function addScale(program: Command, io: CliIo): void {
  const command = program.command('scale').description('measure speedup over ranks').allowExcessArguments(false);
  const read = addOptions(command, {
    model: defaults.model,
    axis: 'all of them',
    maxRanks: 'the cores of this machine',
    steps: `${defaults.steps} of each run; the first is not timed`,
    repeats: `${defaults.repeats}`,
    seqLen: `${defaults.seqLen}`,
    globalBatch: `${defaults.globalBatch}`,
    microBatch: 'up to 4, less with pp',
    precision: defaults.precision,
    weak: '',
    speeds: 'all alike',
    timeoutSeconds: '300',
    json: '',
    debug: '',
  });
  command.addHelpText(
    'after',
    `
Examples:
  $ fivefold scale
  $ fivefold scale --model llama-medium --max-ranks 8 --steps 4 --json
  $ fivefold scale --weak
  $ fivefold scale --axis pp
  $ fivefold scale --speeds 1,0.5

The same training steps run on 1 to N ranks, split by data (dp), tensor (tp), context (cp), experts (ep) and pipeline (pp), where that divides. All
layouts run in turn, repeatedly, so that other load on the machine hits them alike; times are medians.

Beside each measured step stands an estimate: the work at the speed of the run on one rank, the bytes at the speed of an
all-reduce, the pipeline's empty places, and ranks beyond the cores waiting for one.

With --weak every rank does as much as one did alone: the global batch grows with dp. Only dp is scaled so, as with tp and pp the
model itself would have to grow. Speedup is then that of the tokens a second, efficiency t(1) / t(n).

With --axis pp the schedules 1f1b, virtual=2 (where there are layers enough) and zb-h1 are compared, and each is drawn as it runs
with the times that its work took; beside the idle share that it has then stands the measured one.

With --speeds, layouts of so many ranks run twice: with as much work on all ranks, and with layers of stages and microbatches of
replicas by speed; what that wins is said, and what it was estimated to. The run on one rank is taken to be on the fastest.

With --json, a line a layout: {"axis", "ranks", "layout", "stepSeconds", "speedup", "efficiency", "serialFraction",
"communicationShare", "imbalance", "allowedEfficiency", "estimatedSeconds", "matrixShare", "bySpeed"}, with --axis pp also "idleShare" and
"playedIdleShare", and at the end {"done": true, "cores",
"oneRankSeconds", "weak", "matrixFlopsPerSecond": {ranks: rate}}. A number that is not defined is null.`,
  );
  command.action(() => runScale(read(), io));
}

async function runScale(values: Values, io: CliIo): Promise<void> {
  const cores = availableParallelism();
  const model = findModel(values.model ?? defaults.model);
  const { config } = model;
  refusePlanOnly(config);
  const { timeoutSeconds, axis, weak = false, json = false } = values;
  if (weak && axis !== undefined && axis !== 'dp')
    fail('OPTION_INVALID', {
      option: option('axis'),
      problem: `with ${option('weak')} only dp is scaled, not ${axis}`,
      fix: 'leave one of the two out',
    });
  const seqLen = values.seqLen ?? Math.min(defaults.seqLen, config.positions.max);
  const globalBatch = values.globalBatch ?? defaults.globalBatch;
  const precision = values.precision ?? defaults.precision;
  const shape = { seqLen, globalBatch, microBatch: values.microBatch };
  // What one rank cannot do is wrong for every number of ranks.
  const one = { axis: 'dp', layout: oneRank, globalBatch, microBatch: microBatchOf(shape, oneRank) } as const;
  checkFit(config, oneRank, { ...shape, microBatch: one.microBatch });
  const speeds = values.speeds && (await speedsToCompare(values, precision, io.signal));
  const most = speeds?.length ?? values.maxRanks ?? Math.max(2, cores);
  if (most < 2)
    fail('OPTION_INVALID', {
      option: option(speeds ? 'speeds' : 'maxRanks'),
      problem: 'one rank is nothing to compare',
      fix: speeds ? 'give a number for each of several ranks' : `use ${option('maxRanks')} 2 or more`,
    });
  const alike = weak ? weakCandidates(one, most) : candidatesOf(config, most, shape, axis);
  const step = { config, seqLen, precision };
  const candidates = [
    one,
    ...(speeds ? alike.flatMap((each) => alikeAndBySpeed(each, speeds, step, values.microBatch)) : alike),
  ];
  // Why the fewest ranks do not do is told.
  if (candidates.length < 2) {
    const layout = { ...oneRank, [axis ?? 'dp']: 2 };
    checkFit(config, layout, { ...shape, microBatch: microBatchOf(shape, layout) });
  }
  const { runs, rates } = await withTemporary((directory) => {
    const tokenFile = join(directory, 'tokens.i32.bin');
    writeFileSync(tokenFile, someTokens(config.vocabSize, 64 * seqLen + 1));
    const options = {
      model,
      seqLen,
      precision,
      data: tokenFile,
      steps: Math.max(2, values.steps ?? defaults.steps),
      learningRate: 1e-3,
      seed: 0,
      ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    };
    const traced = axis === 'pp' ? { traceFile: join(directory, 'trace.json') } : {};
    return runScaling({ candidates, options, repeats: values.repeats ?? defaults.repeats, ...traced, quiet: json }, io);
  });

  const oneRankSeconds = runs[0]!.stepSeconds;
  const settingsOf = (candidate: Candidate): StepSettings => {
    const { layout, globalBatch: batch, microBatch, division } = candidate;
    const microbatches = batch / replicasOf(layout) / microBatch;
    const fastest = Math.max(...(speeds ?? []));
    const uneven = speeds && candidate !== one ? { speeds: speeds.map((speed) => speed / fastest) } : {};
    return { ...step, layout, microBatch, microbatches, ...uneven, ...division };
  };
  const judge: Judge = { cores, weak, oneRankSeconds, rates, oneRankFlops: runs[0]!.flops };
  const [oneResult, ...results] = candidates.map((each, i) => resultOf(each, settingsOf(each), runs[i]!, judge));
  if (!json) {
    const look = { colour: wantsColour(io.stdout), columns: columnsOf(io.stdout) };
    writeLine(io.stdout, formatScaling(results, { cores, weak, one: oneResult!, ...look }));
    for (const line of winsBySpeed(results)) writeLine(io.stdout, line);
    for (const [i, { layout }] of candidates.entries()) {
      const { pipeline } = runs[i]!;
      if (pipeline) writeLine(io.stdout, formatTimeline(printLayout(layout), pipeline, look));
    }
    return;
  }
  for (const result of results) writeJson(io.stdout, nullWhereUndefined(result));
  const matrixFlopsPerSecond = Object.fromEntries(rates.matrixFlopsPerSecond);
  writeJson(io.stdout, { done: true, cores, oneRankSeconds, weak, matrixFlopsPerSecond });
}

const microBatchOf = (shape: { globalBatch: number; microBatch: number | undefined }, layout: Layout): number =>
  shape.microBatch ?? defaultMicroBatch(shape.globalBatch, layout);

/** The batch of one rank for every rank. */
const weakCandidates = (one: Candidate, most: number): Candidate[] =>
  rankCounts(most)
    .filter((ranks) => ranks > 1)
    .map((dp) => ({ ...one, layout: { ...oneRank, dp }, globalBatch: one.globalBatch * dp }));

/** The pipeline schedules worth choosing from. */
const comparedSchedules: readonly Partial<Layout>[] = [{}, { virtual: 2 }, { schedule: 'zb-h1' }];

/**
 * Every axis alone with every number of ranks that divides the model and the batch; of pp, when it alone is asked for, in every
 * schedule.
 */
function candidatesOf(
  config: ModelConfig,
  most: number,
  shape: { readonly seqLen: number; readonly globalBatch: number; readonly microBatch: number | undefined },
  only: Candidate['axis'] | undefined,
): Candidate[] {
  return scaledAxes
    .filter((axis) => axis === (only ?? axis))
    .flatMap((axis) =>
      rankCounts(most)
        .filter((ranks) => ranks > 1)
        .flatMap((ranks) =>
          (only === 'pp' ? comparedSchedules : [{}]).map((more): Layout => ({ ...oneRank, [axis]: ranks, ...more })),
        )
        .flatMap((layout): Candidate[] => {
          const microBatch = microBatchOf(shape, layout);
          try {
            checkFit(config, layout, { ...shape, microBatch });
          } catch (error) {
            if (error instanceof FivefoldError) return [];
            throw error;
          }
          return [{ axis, layout, globalBatch: shape.globalBatch, microBatch }];
        }),
    );
}

/** What all results are measured by. */
interface Judge {
  readonly cores: number;
  readonly weak: boolean;
  readonly oneRankSeconds: number;
  readonly oneRankFlops: number;
  readonly rates: MachineRates;
}

function resultOf(candidate: Candidate, settings: StepSettings, run: Run, judge: Judge): ScaleResult {
  const { flops, pipeline, ...measured } = run;
  const { layout, microbatches } = settings;
  const isBySpeed = candidate.division !== undefined;
  const { cores, weak, oneRankSeconds, oneRankFlops, rates } = judge;
  const ranks = worldSize(layout);
  const matrix = rates.matrixFlopsPerSecond.get(ranks)!;
  // By how much a core is slower while its neighbours work too; never faster but by chance.
  const slowdown = Math.max(1, (rates.matrixFlopsPerSecond.get(1)! * Math.min(ranks, cores)) / matrix);
  const talk = rates.talk.get(ranks) ?? { secondsPerCall: 0, secondsPerByte: 0 };
  return {
    axis: candidate.axis,
    ranks,
    layout: printLayout(candidate.layout),
    ...(isBySpeed ? { bySpeed: candidate.because } : {}),
    ...measured,
    ...scalingOf(ranks, measured.stepSeconds, oneRankSeconds, weak ? ranks : 1),
    allowedEfficiency: allowedEfficiency(layout, microbatches),
    ...(pipeline ? { idleShare: pipeline.idleShare, playedIdleShare: pipeline.played.bubbleFraction } : {}),
    estimatedSeconds: estimateStep(settings, {
      cores,
      secondsPerFlop: (oneRankSeconds / oneRankFlops) * slowdown,
      ...talk,
    }),
    matrixShare: flops / measured.stepSeconds / matrix,
  };
}

/** JSON has no NaN. */
const nullWhereUndefined = (result: ScaleResult): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(result).map(([key, value]) => [key, Number.isNaN(value) ? null : value]));

/** What is trained on does not matter for its speed. */
const someTokens = (vocabSize: number, count: number): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => (i * 7 + (i >> 5)) % vocabSize);
