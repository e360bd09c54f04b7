// Training as one rank does it: build the step, load or make the weights, then step after step. Knows nothing of threads.
import { heldNumbers } from '../checkpoint/held-numbers.ts';
import { openCheckpoint, openOptimizer } from '../checkpoint/hf-directory.ts';
import { openReference, type ReferenceReader } from '../checkpoint/reference-file.ts';
import { readRole, thereIn } from '../checkpoint/weights.ts';
import { openSequences } from '../data/sequences.ts';
import { continuePrompt } from '../generate/rank.ts';
import { type Coords, coordsOf, worldGroup } from '../mesh/mesh.ts';
import type { ParamSpec } from '../model/params.ts';
import { preferenceFigures } from '../ops/preference.ts';
import { createExecutor, type Executor, type Observer } from '../runtime/executor.ts';
import { matrixRateOfRank } from '../runtime/matrix-rate.ts';
import { allocateMemory, type StateMemory } from '../runtime/memory.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import { fillStep } from '../step/fill-tokens.ts';
import { buildCompletionsStep, buildLogitsStep } from '../step/forward-step.ts';
import { synchronisesAt } from '../step/settings.ts';
import type { RankProgram, TrainingStep } from '../step/step.ts';
import { trainingPrograms } from '../step/training-step.ts';
import { createClock } from './clock.ts';
import { createEvaluator, evaluationStep } from './evaluate.ts';
import { initialise } from './initial.ts';
import type { Figures, RankResult, TrainJob, TrainReport } from './job.ts';
import { hasMaster, masterSpec, momentSpec, outerMomentumSpec } from './moments.ts';
import { learningRateAt, writeOptimizer } from './optimizer.ts';
import { computeReference } from './reference-pass.ts';
import { noteAgreement } from './replicas.ts';
import { routingFigures } from './routing-figures.ts';
import { createSaver } from './saver.ts';
import { stepSequences } from './step-sequences.ts';

/** When an instruction of a training step that was played is taken to have ended, on the clock of an `Observer`. */
export type Pace = (...played: Parameters<Observer>) => number;

/** The rank module of training: see RankFunction in runtime/world-messages.ts. `pace`: to see what becomes of a rank that is slow. */
export async function rank(
  transport: Transport,
  job: unknown,
  report: (message: TrainReport) => void,
  pace?: Pace,
): Promise<RankResult> {
  return trainRank(transport, job as TrainJob, report, pace ?? ((_, __, end) => end));
}

async function trainRank(
  transport: Transport,
  job: TrainJob,
  report: (message: TrainReport) => void,
  pace: Pace,
): Promise<RankResult> {
  const started = performance.now();
  const { settings, optimizer } = job;
  const { layout } = settings;
  const coords = coordsOf(layout, transport.rank);
  const [step, outerStep] = trainingPrograms(settings, transport.rank);
  const evaluation = job.evaluation && evaluationStep(settings, job.evaluation, transport.rank);
  const sample = job.sample && buildLogitsStep(job.sample.settings, transport.rank);
  const judging = job.reference?.isNew ? buildCompletionsStep(settings, transport.rank) : undefined;
  const programs = [step, outerStep, evaluation, sample, judging].filter((program) => program !== undefined);
  const memory = allocateMemory(programs, (bytes) => transport.allocate(bytes));
  const clock = createClock([step, ...(outerStep ? [outerStep] : [])], layout, job.trace);
  const executors: Executor[] = [];
  const execute = (program: RankProgram, observe?: Observer): Executor => {
    const executor = createExecutor(program, { transport, memory, ...(observe ? { observe } : {}) });
    executors.push(executor);
    return executor;
  };
  const observed: Observer = (instruction, start, end, counted) =>
    clock.observe(instruction, start, pace(instruction, start, end, counted), counted);
  const executor = execute(step, observed);
  const outerExecutor = outerStep && execute(outerStep, observed);
  let reference: ReferenceReader | undefined;
  const referenceOf = job.reference && ((pair: number) => reference!.of(pair));
  const evaluator =
    evaluation &&
    createEvaluator(transport, settings, job.evaluation!, {
      step: evaluation,
      executor: execute(evaluation),
      referenceOf,
    });
  const sampler = sample && { step: sample, executor: execute(sample) };
  const judge = judging && { step: judging, executor: execute(judging) };
  const sequences = openSequences(job.sources, { seqLen: settings.seqLen, seed: job.seed, heldOut: job.heldOut });
  const sequenceAt = stepSequences(settings, sequences);
  if (step.one !== undefined) executor.memory.of(step.one).fill(1);
  startWeights(step, memory.state, job, coords, transport);
  noteAgreement(step.state, memory.state, layout, coords);
  if (transport.size > 1) transport.barrier(worldGroup(layout), 'ready');
  const setupSeconds = (performance.now() - started) / 1000;
  const rates = job.measuresRate ? matrixRateOfRank(transport, settings.precision, rateSeconds) : undefined;
  report({ kind: 'ready', setupSeconds, ...(rates && { matrixFlopsPerSecond: Math.max(...rates) }) });

  if (job.reference) {
    const work = { settings, reference: job.reference, sequences, onPass: reportPass(report) };
    if (judge) clock.during('evaluation', 'reference', () => computeReference(transport, { ...work, ...judge }));
    reference = openReference(job.reference.path);
  }

  const save = job.save && createSaver(transport, memory.state, step.state, { ...job, save: job.save }, report);
  const doubles = (buffer: number) => executor.memory.of(buffer) as Float64Array;
  const total = { communication: 0, compute: 0 };
  let diverged: RankResult['diverged'];
  for (let number = job.stepsDone + 1; number <= job.lastStep; number++) {
    const start = performance.now();
    clock.begin(number);
    clock.during('step', `step ${number}`, () => {
      clock.during('data', 'read sequences', () =>
        fillStep(executor.memory.of, step, {
          settings: job.settings,
          coords,
          step: number,
          sequence: sequenceAt,
          referenceOf,
        }),
      );
      writeOptimizer(executor.memory.of(step.optimizer), number, optimizer);
      executor.run();
      if (synchronisesAt(settings, number)) outerExecutor!.run();
    });
    const seconds = (performance.now() - start) / 1000;
    const [loss, ...figures] = executor.memory.of(step.loss) as unknown as readonly [number, ...number[]];
    const gradNorm = executor.memory.of(step.gradNorm)[0]!;
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
      ...told({
        ...preferred(figures),
        ...(step.routing === undefined ? {} : routingFigures(settings, doubles(step.routing))),
      }),
      learningRate: learningRateAt(number, optimizer),
      seconds,
      communicationSeconds: clock.communicationSeconds(),
    });
    const isDue = (every: number): boolean => number === job.lastStep || (every > 0 && number % every === 0);
    if (evaluator && isDue(job.evaluation!.every)) {
      const [heldOut, ...more] = clock.during('evaluation', `evaluate step ${number}`, () =>
        evaluator.losses(sequences.validation),
      );
      report({ kind: 'evaluation', step: number, loss: heldOut!, ...told(preferred(more)) });
    }
    if (sampler && isDue(job.sample!.every)) {
      const text = clock.during(
        'evaluation',
        `sample step ${number}`,
        () => continuePrompt(transport, job.sample!, sampler, () => undefined)?.text,
      );
      if (text !== undefined) report({ kind: 'sample', step: number, text });
    }
    if (save && isDue(job.save!.every)) clock.during('checkpoint', `save step ${number}`, () => save(number));
    if (job.trace) report({ kind: 'spans', spans: clock.takeSpans() });
  }
  sequences.close();
  reference?.close();
  const result = {
    counters: transport.counters,
    flops: executors.reduce((sum, each) => sum + each.flops(), 0),
    peakBytes: executors.reduce((sum, each) => sum + each.memory.ownBytes, memory.bytes),
    communicationSeconds: total.communication,
    computeSeconds: total.compute,
    ...(diverged ? { diverged } : {}),
  };
  for (const each of executors) each.dispose();
  return result;
}

const reportPass = (report: (message: TrainReport) => void) => (done: number, passes: number) =>
  report({ kind: 'reference', done, passes });

/** Of no figures nothing. */
const told = (figures: Figures): { readonly figures?: Figures } =>
  Object.keys(figures).length === 0 ? {} : { figures };

/** Of pairs, by name. */
const preferred = (numbers: readonly number[]): Figures =>
  Object.fromEntries(numbers.map((number, index) => [preferenceFigures[index]!, number]));

/** How long the machine's matrix rate is measured. */
const rateSeconds = 0.1;

/** Reads what this rank holds from a checkpoint, or makes initial weights. */
function startWeights(
  { state: vectors }: TrainingStep,
  memory: StateMemory,
  job: TrainJob,
  coords: Coords,
  transport: Transport,
): void {
  const { layout, outer } = job.settings;
  if (job.weights === undefined) {
    for (const { spec, ranges, numbers } of heldNumbers(vectors, 'parameter', memory, layout, coords)) {
      transport.heartbeat(`initialising ${spec.name}`);
      initialise(numbers, spec, ranges, job.seed);
    }
    return;
  }
  const checkpoint = openCheckpoint(job.weights, job.weightsIdentity);
  const common = { mesh: layout, coords, heartbeat: (site: string) => transport.heartbeat(site) };
  readRole(checkpoint, vectors, memory, { ...common, role: 'parameter', tensorOf: thereIn(checkpoint) });
  checkpoint.close();
  if (!job.resume) return;
  const state = openOptimizer(job.weights, job.weightsIdentity);
  const masterOf = (spec: ParamSpec) => (hasMaster(state, checkpoint, spec) ? masterSpec(spec) : undefined);
  readRole(state, vectors, memory, { ...common, role: 'parameter', tensorOf: masterOf });
  const replica = outer && coords.dp;
  for (const [role, which] of [
    ['firstMoment', 'first'],
    ['secondMoment', 'second'],
  ] as const)
    readRole(state, vectors, memory, { ...common, role, tensorOf: (spec) => momentSpec(spec, which, replica) });
  readRole(state, vectors, memory, { ...common, role: 'outerMomentum', tensorOf: outerMomentumSpec });
  state.close();
}
