// Builds the training step of one rank: the pipeline schedule over its parts, then what finishes the step.
import { type Coords, coordsOf, dataAxes, replicaAxes, replicaOf } from '../mesh/mesh.ts';
import { paramSpecs } from '../model/params.ts';
import { stageParts } from '../model/stages.ts';
import { allReduce } from '../ops/collectives.ts';
import { optimizerSettings, reciprocal } from '../ops/finishing.ts';
import type { LoadRow } from '../ops/load.ts';
import { at, finish, input, startTrace } from '../program/trace.ts';
import { refusePlanned, scheduleOf } from '../schedule/schedules.ts';
import { heldPart } from '../state/pieces.ts';
import { sharedOver } from '../state/placement.ts';
import type { RankState } from '../state/vectors.ts';
import { cutProgram } from './cut-program.ts';
import { type FinishingNumbers, traceFinishing } from './finishing.ts';
import { holdState } from './held.ts';
import { buildOuterStep, emitMeans, trainingState } from './outer-step.ts';
import { runParts } from './part-runs.ts';
import { playPipeline } from './pipeline.ts';
import { type ProgramBuilder, startProgram } from './program-builder.ts';
import { type RoutingBuffers, routingBuffers } from './routing-buffers.ts';
import { microbatchesOn, ownMesh, type StepSettings, traceSettings } from './settings.ts';
import type { RankProgram, TrainingStep } from './step.ts';
import { lossBuffers, lossNumbers, lossOperands, tokenBuffers } from './token-buffers.ts';

type OwnMesh = ReturnType<typeof ownMesh>;

export function buildTrainingStep(settings: StepSettings, rank: number): TrainingStep {
  const { config, layout, precision, lossBlock, preference } = settings;
  refusePlanned(layout);
  const coords = coordsOf(layout, rank);
  const microbatches = microbatchesOn(settings, replicaOf(settings.layout, coords));
  const state = trainingState(settings, coords);
  const builder = startProgram(layout, rank, precision, state);
  const own = ownMesh(settings, coords);
  const trace = traceSettings({ ...settings, layout: own.layout }, own.coords);
  const parts = stageParts(config, layout, coords.pp);

  const tokens = tokenBuffers(builder, parts, { ...settings, microbatches }, coords, 'loss');
  const begun = beginStep({ builder, state, settings, own, hasHead: parts.some(({ name }) => name === 'head') });
  const { mean, routing, head } = begun;

  const play = playPipeline({
    builder,
    runs: runParts({
      builder,
      held: holdState({ config, builder, state, ...own }),
      trace,
      lossBlock,
      preference,
      told: routing?.ofLayer,
    }),
    trace,
    mesh: layout,
    rank,
    tokens: (microbatch) => tokens[microbatch]!,
    end: {
      of: 'training',
      loss(microbatch) {
        return { ...lossOperands(tokens[microbatch]!, mean), scale: head!.scale, one: head!.one };
      },
    },
  });
  for (const action of scheduleOf(layout, microbatches).stages[coords.pp]!) play(action);
  endStep({ builder, state, settings, own }, begun);
  const { optimizer, gradNorm } = begun;
  const figures = { loss: mean.loss, gradNorm, ...(routing ? { routing: routing.all } : {}) };
  if (settings.outer && layout.dp > 1)
    emitMeans(builder, layout, coords, figures, { loss: lossNumbers(settings), routing: routing?.numbers ?? 0 });
  return {
    ...builder.finish(),
    tokens,
    ...(head ? { counted: head.counted, one: head.one } : {}),
    optimizer,
    ...figures,
  };
}

/** A rank's step. */
interface OwnStep {
  readonly builder: ProgramBuilder;
  readonly state: Pick<RankState, 'buckets' | 'byLoad' | 'vectors' | 'index' | 'find'>;
  readonly settings: StepSettings;
  readonly own: OwnMesh;
}

type Begun = ReturnType<typeof beginStep>;

/** Buffers of what serves all microbatches, and what is done before them. */
export function beginStep({ builder, state, settings, own, hasHead }: OwnStep & { readonly hasHead: boolean }) {
  const mean = lossBuffers(builder, settings);
  const optimizer = builder.own('optimizer', [optimizerSettings.length], 'double');
  const gradNorm = builder.own('gradient norm', [1], 'double');
  const gradients = state.buckets.map((bucket) => {
    const vector = state.index('gradient', bucket);
    return builder.state(vector, 0, [state.vectors[vector]!.size]);
  });
  const routing = routingBuffers(builder, settings);
  const told = routing ? [routing.all] : [];
  builder.emit({ kind: 'zero', buffers: [mean.loss, ...told, ...gradients], site: 'step start' });
  const head = hasHead ? headBuffers(builder, settings, own) : undefined;
  return { mean, optimizer, gradNorm, gradients, routing, head };
}

/** All programs that training runs: the step, and the outer step where there is one. */
export const trainingPrograms = (settings: StepSettings, rank: number): [TrainingStep, ...RankProgram[]] => [
  buildTrainingStep(settings, rank),
  ...(settings.outer ? [buildOuterStep(settings, settings.outer, rank)] : []),
];

/** What losses are multiplied by: one over what the tokens (or pairs, which ranks of cp have alike) of all ranks that train together count. */
function headBuffers(builder: ProgramBuilder, { preference }: StepSettings, { layout, coords }: OwnMesh) {
  const trace = startTrace(layout, coords);
  const counted = input(trace, [1], { tp: 'I', cp: preference ? 'I' : 'P', ep: 'P', dp: 'P' }, 'double');
  const over = preference ? replicaAxes : dataAxes;
  const scale = at(trace, 'tokens counted', () => reciprocal(allReduce(counted, over, 'R')));
  const program = cutProgram(finish(trace, { counted }, { scale }));
  const buffers = {
    counted: builder.own('tokens counted', [1], 'double'),
    scale: builder.own('loss scale', [1]),
    one: builder.own('one', [1]),
  };
  builder.run(program, [{ counted: buffers.counted }], { site: 'step start' }, { scale: buffers.scale });
  return buffers;
}

/** Emits the finishing program on the rank's state. */
export function endStep({ builder, state, settings, own: { layout, coords } }: OwnStep, buffers: Begun): void {
  const inputs: Record<string, number> = { loss: buffers.mean.loss, optimizer: buffers.optimizer };
  const into: Record<string, number> = { loss: buffers.mean.loss, gradNorm: buffers.gradNorm };
  if (buffers.routing) inputs.routing = into.routing = buffers.routing.all;
  const biases = buffers.routing && biasesOf(state, settings, coords, buffers.routing);
  if (biases)
    inputs.biases = into.biases = builder.state(state.index('parameter', biases.bucket), 0, [biases.bucket.size]);
  for (const [index, bucket] of state.buckets.entries()) {
    const { name, placement, types } = bucket;
    const whole = (role: 'parameter' | 'firstMoment' | 'secondMoment') => {
      const vector = state.index(role, bucket);
      return builder.state(vector, 0, [state.vectors[vector]!.size]);
    };
    const share = heldPart(bucket, placement.moments, layout, coords);
    const gradient = buffers.gradients[index]!;
    const shares = (held: typeof placement.param, id: number) =>
      sharedOver(placement.moments, types).length === sharedOver(held, types).length
        ? id
        : builder.view(id, share.start, [share.size]);
    const param = whole('parameter');
    inputs[`gradient:${name}`] = gradient;
    inputs[`parameter:${name}`] = shares(placement.param, param);
    inputs[`first:${name}`] = whole('firstMoment');
    inputs[`second:${name}`] = whole('secondMoment');
    into[`finished:${name}`] = shares(placement.gradient, gradient);
    into[`whole:${name}`] = param;
  }
  const program = cutProgram(
    traceFinishing(state.buckets, layout, coords, {
      losses: lossNumbers(settings),
      routing: buffers.routing?.numbers ?? 0,
      ...(biases ? { biases } : {}),
    }),
  );
  builder.run(program, [inputs], { site: '', phase: 'finish' }, into);
}

/** The biases of the stage's routers, where a step moves them. */
function biasesOf(
  { byLoad, find }: Pick<RankState, 'byLoad' | 'find'>,
  { config, layout, router }: StepSettings,
  { pp }: Coords,
  routing: RoutingBuffers,
): FinishingNumbers['biases'] {
  if (!byLoad || !router?.biasRate) return undefined;
  const rows = stageParts(config, layout, pp).flatMap((part) =>
    paramSpecs(config, layout, part)
      .filter((spec) => spec.byLoad)
      .map((spec): LoadRow => {
        const { start, size } = find(spec).slot;
        return { bias: start, load: routing.loadOf(part.layer), experts: size };
      }),
  );
  return { bucket: byLoad, rows, rate: router.biasRate };
}
