// Builds the training step of one rank: the pipeline schedule over its parts, then gradients finished by type, clipped, applied.
import { coordsOf, rankAt } from '../mesh/mesh.ts';
import { type Part, type PartName, paramSpecs, shardShape } from '../model/params.ts';
import { type PartPrograms, residualShape, type TraceSettings, tracePart } from '../model/parts.ts';
import type { Action } from '../schedule/schedule.ts';
import { schedules } from '../schedule/schedules.ts';
import { finishGradients, finishScalars } from './finishing.ts';
import { cutProgram, type ProgramBuilder, type ProgramPieces, startProgram } from './program-builder.ts';
import { type StepSettings, tokensPerStep } from './settings.ts';
import { placeOf, stageParts } from './stages.ts';
import type { HeldParam, TrainingStep } from './step.ts';

interface PartRun {
  readonly part: Part;
  readonly params: readonly HeldParam[];
  readonly forward: ProgramPieces;
  readonly backward: ProgramPieces;
  readonly programs: PartPrograms;
}

export function buildTrainingStep(settings: StepSettings, rank: number): TrainingStep {
  const { config, layout, seqLen, microBatch, microbatches, precision } = settings;
  const coords = coordsOf(layout, rank);
  const stage = coords.pp;
  const builder = startProgram(layout, rank, precision);
  const trace: TraceSettings = {
    config,
    layout,
    coords,
    batch: microBatch,
    seqLen,
    lossScale: 1 / tokensPerStep(settings),
  };
  const parts = stageParts(config, layout, stage);

  const held = holdParams(builder, settings, parts);
  const traced = new Map<PartName, Omit<PartRun, 'part' | 'params'>>();
  const runs = parts.map((part): PartRun => {
    let programs = traced.get(part.name);
    if (!programs) {
      const both = tracePart(part.name, trace);
      programs = { programs: both, forward: cutProgram(both.forward), backward: cutProgram(both.backward) };
      traced.set(part.name, programs);
    }
    return { part, params: held.byPart(part), ...programs };
  });

  const tokens = (what: string, needed: boolean) =>
    Array.from({ length: microbatches }, (_, m) =>
      needed ? builder.buffer('tokens', `${what} ${m}`, [microBatch, seqLen], 'int') : undefined,
    );
  const last = stage === layout.pp - 1;
  const ids = tokens('ids', stage === 0);
  const targets = tokens('targets', last);
  const loss = builder.buffer('scalar', 'loss', [1]);
  const one = last ? builder.buffer('scalar', 'one', [1]) : undefined;
  const squaredNorm = builder.buffer('scalar', 'squared gradient norm', [1], 'double');

  builder.emit({ kind: 'zero', buffers: [loss, ...held.all.map((param) => param.gradient)], site: 'step start' });
  const pipeline = runPipeline({ builder, runs, settings, trace, ids, targets, loss, one, rank });
  const schedule = schedules[layout.schedule](layout.pp, microbatches);
  for (const action of schedule.stages[stage]!) pipeline(action);

  finishGradients(builder, settings, rank, held.all);
  finishScalars(builder, settings, rank, held.all, { loss, squaredNorm });
  builder.emit({ kind: 'update', norm: squaredNorm, site: 'optimizer', phase: 'finish' });
  return {
    ...builder.finish(),
    params: held.all,
    ids,
    targets,
    ...(one === undefined ? {} : { one }),
    loss,
    squaredNorm,
  };
}

/** Buffers for every parameter of the stage; a head tied to an embedding on the same stage shares its buffers. */
function holdParams(builder: ProgramBuilder, { config, layout }: StepSettings, parts: readonly Part[]) {
  const byName = new Map<string, HeldParam>();
  const byPart = new Map<Part, HeldParam[]>();
  for (const part of parts)
    byPart.set(
      part,
      paramSpecs(config, layout, part).map((spec) => {
        const known = byName.get(spec.name);
        if (known) return { ...known, spec };
        const shape = shardShape(spec, layout);
        const held: HeldParam = {
          spec,
          param: builder.buffer('parameter', spec.name, shape),
          gradient: builder.buffer('gradient', spec.name, shape),
          firstMoment: builder.buffer('firstMoment', spec.name, shape),
          secondMoment: builder.buffer('secondMoment', spec.name, shape),
        };
        byName.set(spec.name, held);
        return held;
      }),
    );
  return { all: [...byName.values()], byPart: (part: Part) => byPart.get(part)! };
}

interface Pipeline {
  readonly builder: ProgramBuilder;
  readonly runs: readonly PartRun[];
  readonly settings: StepSettings;
  readonly trace: TraceSettings;
  readonly ids: readonly (number | undefined)[];
  readonly targets: readonly (number | undefined)[];
  readonly loss: number;
  readonly one: number | undefined;
  readonly rank: number;
}

/** Emits what one action of the schedule does. Activations and gradients between stages are kept by microbatch. */
function runPipeline({
  builder,
  runs,
  settings,
  trace,
  ids,
  targets,
  loss,
  one,
  rank,
}: Pipeline): (action: Action) => void {
  const { layout } = settings;
  const coords = coordsOf(layout, rank);
  const into = new Map<number, number>();
  const out = new Map<number, number>();
  const gradientInto = new Map<number, number>();
  const gradientOut = new Map<number, number>();
  /** By microbatch, then part: the buffers of the values its backward reads. */
  const saved = new Map<number, Record<string, number>[]>();
  const shape = residualShape(trace);

  const paramInputs = (run: PartRun, sums: boolean) =>
    Object.fromEntries(
      run.params.flatMap(({ spec, param, gradient }) => [
        [`param:${spec.key}`, param],
        ...(sums ? [[`sum:${spec.key}`, gradient] as const] : []),
      ]),
    );

  const forward = (microbatch: number): void => {
    let x = into.get(microbatch);
    const savedParts: Record<string, number>[] = [];
    for (const run of runs) {
      const inputs: Record<string, number> = paramInputs(run, false);
      if (run.part.name === 'embedding') inputs.ids = ids[microbatch]!;
      else inputs.x = x!;
      if (run.part.name === 'head') Object.assign(inputs, { targets: targets[microbatch]!, lossSum: loss });
      const ran = builder.run(run.forward, inputs, {
        ...placeOf(run.part),
        phase: 'forward',
        microbatch,
      });
      savedParts.push(
        Object.fromEntries(run.programs.saved.map((value) => [`saved:${value.id}`, ran.bufferOf(value)])),
      );
      x = ran.outputs.y;
    }
    saved.set(microbatch, savedParts);
    if (x !== undefined) out.set(microbatch, x);
  };

  const backward = (microbatch: number): void => {
    let dy = gradientInto.get(microbatch);
    for (const [index, run] of [...runs.entries()].reverse()) {
      const inputs = { ...paramInputs(run, true), ...saved.get(microbatch)![index]! };
      if (run.part.name === 'head') inputs.one = one!;
      else inputs.dy = dy!;
      const place = placeOf(run.part);
      dy = builder.run(run.backward, inputs, {
        ...place,
        site: `${place.site} backward`.trim(),
        phase: 'backward',
        microbatch,
      }).outputs.dx;
    }
    saved.delete(microbatch);
    if (dy !== undefined) gradientOut.set(microbatch, dy);
  };

  const peer = (other: number) => rankAt(layout, { ...coords, pp: other });
  return (action) => {
    const { microbatch } = action;
    switch (action.kind) {
      case 'forward':
        return forward(microbatch);
      case 'backward':
        return backward(microbatch);
      case 'sendActivation':
      case 'sendGradient': {
        const [what, phase, from] =
          action.kind === 'sendActivation'
            ? (['activation', 'forward', out] as const)
            : (['gradient', 'backward', gradientOut] as const);
        const site = `microbatch ${microbatch} ${what} to stage ${action.stage}`;
        const buffer = from.get(microbatch)!;
        return builder.emit({ kind: 'send', rank: peer(action.stage), buffer, site, phase, microbatch });
      }
      case 'recvActivation':
      case 'recvGradient': {
        const [what, phase, to] =
          action.kind === 'recvActivation'
            ? (['activation', 'forward', into] as const)
            : (['gradient', 'backward', gradientInto] as const);
        const site = `microbatch ${microbatch} ${what} from stage ${action.stage}`;
        const buffer = builder.buffer('activation', site, shape);
        to.set(microbatch, buffer);
        return builder.emit({ kind: 'recv', rank: peer(action.stage), buffer, site, phase, microbatch });
      }
    }
  };
}
