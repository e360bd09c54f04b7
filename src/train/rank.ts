// Training as one rank does it: build the step, load or make the weights, then step after step. Knows nothing of threads.
import { openCheckpoint, openOptimizer } from '../checkpoint/hf-directory.ts';
import { readShard } from '../checkpoint/shards.ts';
import { openSequences, type Sequences } from '../data/sequences.ts';
import { type Coords, coordsOf, worldGroup } from '../mesh/mesh.ts';
import { createExecutor, type Executor } from '../runtime/executor.ts';
import type { Floats } from '../runtime/kernels/local-kernels.ts';
import type { TraceSpan } from '../runtime/perfetto.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import type { Instruction, TrainingStep } from '../step/step.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { initialise } from './initial.ts';
import type { RankResult, TrainJob, TrainReport } from './job.ts';
import { momentSpec } from './moments.ts';
import { learningRateAt, updateParams } from './optimizer.ts';
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
  const clock = createClock(transport.rank, job.trace);
  const executor = createExecutor(step, { transport, observe: clock.observe });
  const sequences = openSequences(job.tokenFile, { seqLen: settings.seqLen, seed: job.seed });
  startWeights(executor, step, job, coords, transport);
  if (transport.size > 1) transport.barrier(worldGroup(layout), 'ready');
  report({ kind: 'ready', setupSeconds: (performance.now() - started) / 1000 });

  const total = { communication: 0, compute: 0 };
  let diverged: RankResult['diverged'];
  for (let number = job.stepsDone + 1; number <= job.lastStep; number++) {
    const start = performance.now();
    fillTokens(executor, step, job, coords, sequences, number);
    clock.reset();
    executor.run((memory, squaredNorm) =>
      updateParams(step.params, memory, { step: number, norm: Math.sqrt(squaredNorm[0]!), settings: optimizer }),
    );
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
    if (job.trace) report({ kind: 'spans', spans: clock.takeSpans() });
    const { save } = job;
    if (save && (number === job.lastStep || (save.every > 0 && number % save.every === 0))) {
      saveCheckpoint(transport, executor.memory, step, settings, save, number);
      if (transport.rank === 0) report({ kind: 'saved', step: number, out: save.out });
    }
  }
  sequences.close();
  const result = {
    counters: transport.counters,
    flops: executor.flops(),
    peakBytes: executor.memory.bytes,
    communicationSeconds: total.communication,
    computeSeconds: total.compute,
    ...(diverged ? { diverged } : {}),
  };
  executor.dispose();
  return result;
}

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
  const checkpoint = openCheckpoint(job.weights);
  const beating = (name: string) => ({ moved: () => transport.heartbeat(`loading ${name}`) });
  for (const { spec, param } of step.params)
    readShard(checkpoint, spec, floats(param), layout, coords, beating(spec.name));
  checkpoint.close();
  if (!job.resume) return;
  const state = openOptimizer(job.weights);
  for (const { spec, firstMoment, secondMoment } of step.params) {
    readShard(state, momentSpec(spec, 'first'), floats(firstMoment), layout, coords, beating(spec.name));
    readShard(state, momentSpec(spec, 'second'), floats(secondMoment), layout, coords, beating(spec.name));
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

const isCommunication = ({ kind }: Instruction): boolean =>
  ['allReduce', 'allGather', 'reduceScatter', 'send', 'recv'].includes(kind);

/** Sums a step's times by kind, and keeps its spans when asked to. */
function createClock(rank: number, trace: boolean) {
  let communication = 0;
  let compute = 0;
  let spans: TraceSpan[] = [];
  return {
    observe(instruction: Instruction, start: number, end: number): void {
      const talks = isCommunication(instruction);
      if (talks) communication += end - start;
      else compute += end - start;
      if (!trace) return;
      spans.push({
        rank,
        name:
          instruction.kind === 'compute' || instruction.kind === 'host'
            ? instruction.site
            : `${instruction.kind} ${instruction.site}`,
        category: talks ? 'communication' : instruction.kind === 'update' ? 'optimizer' : 'compute',
        startMicroseconds: start * 1000,
        durationMicroseconds: (end - start) * 1000,
      });
    },
    reset: () => {
      communication = 0;
      compute = 0;
    },
    communicationSeconds: () => communication / 1000,
    computeSeconds: () => compute / 1000,
    takeSpans: () => {
      const taken = spans;
      spans = [];
      return taken;
    },
  };
}
