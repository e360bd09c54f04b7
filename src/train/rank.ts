// Training as one rank does it: build the step, load or make the weights, then step after step. Knows nothing of threads.
import { openCheckpoint, openOptimizer } from '../checkpoint/hf-directory.ts';
import { readShard } from '../checkpoint/shards.ts';
import { openSequences, type Sequences } from '../data/sequences.ts';
import { type Coords, coordsOf, worldGroup } from '../mesh/mesh.ts';
import { createExecutor, type Executor } from '../runtime/executor.ts';
import type { Floats } from '../runtime/kernels/local-kernels.ts';
import { matrixRateOfRank } from '../runtime/matrix-rate.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import type { TrainingStep } from '../step/step.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { createClock } from './clock.ts';
import { createEvaluator } from './evaluate.ts';
import { initialise } from './initial.ts';
import type { RankResult, TrainJob, TrainReport } from './job.ts';
import { hasMaster, masterSpec, momentSpec } from './moments.ts';
import { learningRateAt, updateParams } from './optimizer.ts';
import { createSampler } from './sample.ts';
import { saveCheckpoint } from './save-shards.ts';

/** The rank module of training: see RankFunction in runtime/world-messages.ts. */
export async function rank(
  transport: Transport,
  job: unknown,
  report: (message: TrainReport) => void,
): Promise<RankResult> {
  return trainRank(transport, job as TrainJob, report);
}

async function trainRank(
  transport: Transport,
  job: TrainJob,
  report: (message: TrainReport) => void,
): Promise<RankResult> {
  const started = performance.now();
  const { settings, optimizer } = job;
  const { layout } = settings;
  const coords = coordsOf(layout, transport.rank);
  const step = buildTrainingStep(settings, transport.rank);
  const clock = createClock(step, layout, job.trace);
  const executor = createExecutor(step, { transport, observe: clock.observe });
  const evaluator = job.evaluation && createEvaluator(transport, settings, job.evaluation, { step, executor });
  const sampler = job.sample && createSampler(transport, job.sample, { step, executor });
  const sequences = openSequences(job.sources, { seqLen: settings.seqLen, seed: job.seed, heldOut: job.heldOut });
  startWeights(executor, step, job, coords, transport);
  if (transport.size > 1) transport.barrier(worldGroup(layout), 'ready');
  const setupSeconds = (performance.now() - started) / 1000;
  const rates = job.measuresRate ? matrixRateOfRank(transport, settings.precision, rateSeconds) : undefined;
  report({ kind: 'ready', setupSeconds, ...(rates && { matrixFlopsPerSecond: Math.max(...rates) }) });

  const total = { communication: 0, compute: 0 };
  let diverged: RankResult['diverged'];
  for (let number = job.stepsDone + 1; number <= job.lastStep; number++) {
    const start = performance.now();
    clock.begin(number);
    clock.during('step', `step ${number}`, () => {
      clock.during('data', 'read sequences', () => fillTokens(executor, step, job, coords, sequences, number));
      executor.run((memory, squaredNorm) =>
        updateParams(step.params, memory, { step: number, norm: Math.sqrt(squaredNorm[0]!), settings: optimizer }),
      );
    });
    const seconds = (performance.now() - start) / 1000;
    const loss = executor.memory.of(step.loss)[0]!;
    const gradNorm = Math.sqrt(executor.memory.of(step.squaredNorm)[0]!);
    // Every rank has the same two numbers, so all stop here.
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
      diverged = { step: number, loss, gradNorm };
      break;
    }
    total.communication += clock.communicationSeconds();
    total.compute += clock.computeSeconds();
    report({
      kind: 'step',
      step: number,
      loss,
      gradNorm,
      learningRate: learningRateAt(number, optimizer),
      seconds,
      communicationSeconds: clock.communicationSeconds(),
    });
    const isDue = (every: number): boolean => number === job.lastStep || (every > 0 && number % every === 0);
    if (evaluator && isDue(job.evaluation!.every)) {
      const heldOut = clock.during('evaluation', `evaluate step ${number}`, () => evaluator.loss(sequences.validation));
      report({ kind: 'evaluation', step: number, loss: heldOut });
    }
    if (sampler && isDue(job.sample!.every)) {
      const text = clock.during('evaluation', `sample step ${number}`, () => sampler.text());
      if (text !== undefined) report({ kind: 'sample', step: number, text });
    }
    const { save } = job;
    if (save && isDue(save.every)) {
      clock.during('checkpoint', `save step ${number}`, () =>
        saveCheckpoint(transport, executor.memory, step, settings, save, number),
      );
      if (transport.rank === 0) report({ kind: 'saved', step: number, out: save.out });
    }
    if (job.trace) report({ kind: 'spans', spans: clock.takeSpans() });
  }
  sequences.close();
  const result = {
    counters: transport.counters,
    flops: executor.flops() + (evaluator?.executor.flops() ?? 0) + (sampler?.executor.flops() ?? 0),
    peakBytes: executor.memory.bytes + (evaluator?.executor.memory.bytes ?? 0) + (sampler?.executor.memory.bytes ?? 0),
    communicationSeconds: total.communication,
    computeSeconds: total.compute,
    ...(diverged ? { diverged } : {}),
  };
  evaluator?.executor.dispose();
  sampler?.executor.dispose();
  executor.dispose();
  return result;
}

/** How long the machine's matrix rate is measured. */
const rateSeconds = 0.1;

/** Reads this rank's shards from a checkpoint, or makes initial ones. */
function startWeights(
  executor: Executor,
  step: TrainingStep,
  job: TrainJob,
  coords: Coords,
  transport: Transport,
): void {
  const { memory } = executor;
  const { layout } = job.settings;
  const floats = (id: number) => memory.of(id) as Floats;
  if (step.one !== undefined) memory.of(step.one)[0] = 1;
  if (job.weights === undefined) {
    for (const { spec, param } of step.params) {
      transport.heartbeat(`initialising ${spec.name}`);
      initialise(floats(param), spec, { layout, coords, seed: job.seed });
    }
    return;
  }
  const checkpoint = openCheckpoint(job.weights, job.weightsIdentity);
  const moved = (name: string) => () => transport.heartbeat(`loading ${name}`);
  for (const { spec, param } of step.params)
    readShard(checkpoint, spec, floats(param), layout, coords, moved(spec.name));
  checkpoint.close();
  if (!job.resume) return;
  const state = openOptimizer(job.weights, job.weightsIdentity);
  for (const { spec, param, firstMoment, secondMoment } of step.params) {
    const onPiece = moved(spec.name);
    if (hasMaster(state, checkpoint, spec)) readShard(state, masterSpec(spec), floats(param), layout, coords, onPiece);
    readShard(state, momentSpec(spec, 'first'), floats(firstMoment), layout, coords, onPiece);
    readShard(state, momentSpec(spec, 'second'), floats(secondMoment), layout, coords, onPiece);
  }
  state.close();
}

/** The step's sequences are dealt to data-parallel ranks, then microbatches, in order. */
function fillTokens(
  executor: Executor,
  step: TrainingStep,
  job: TrainJob,
  coords: Coords,
  sequences: Sequences,
  number: number,
): void {
  const { layout, microBatch, microbatches, seqLen } = job.settings;
  const perRank = microBatch * microbatches;
  const first = (number - 1) * perRank * layout.dp + coords.dp * perRank;
  for (let m = 0; m < microbatches; m++) {
    const [ids, targets] = [step.ids[m], step.targets[m]];
    if (ids === undefined && targets === undefined) continue;
    for (let row = 0; row < microBatch; row++) {
      const sequence = sequences.sequence(first + m * microBatch + row);
      if (ids !== undefined) (executor.memory.of(ids) as Int32Array).set(sequence.inputs, row * seqLen);
      if (targets !== undefined) (executor.memory.of(targets) as Int32Array).set(sequence.targets, row * seqLen);
    }
  }
}
