// Builds a forward pass for one rank: token ids in, and out the logits of every position, or the loss.
import { coordsOf, rankAt, worldSize } from '../mesh/mesh.ts';
import { type ParamSpec, type PartName, paramSpecs, shardShape } from '../model/params.ts';
import { residualShape, type TraceSettings, traceLogits, tracePart } from '../model/parts.ts';
import { elements, type Program } from '../program/program.ts';
import { slice } from '../program/slice.ts';
import { cutProgram, type ProgramPieces, startProgram } from './program-builder.ts';
import type { StepSettings } from './settings.ts';
import { placeOf, stageParts } from './stages.ts';
import type { RankProgram } from './step.ts';
import { groupsOf, type Talk } from './talk.ts';

export type WindowSettings = Pick<StepSettings, 'config' | 'layout' | 'seqLen' | 'precision'> & {
  /** Sequences of the window. */
  readonly batch: number;
};

interface ForwardStep extends RankProgram {
  readonly params: readonly { readonly spec: ParamSpec; readonly param: number }[];
  /** Token ids [batch, seqLen]: first stage only. */
  readonly ids?: number;
}

export interface LogitsStep extends ForwardStep {
  /** [batch, seqLen, padded vocabulary]: last stage only, on every tp rank. */
  readonly logits?: number;
}

export interface LossStep extends ForwardStep {
  /** Target ids [batch, seqLen]: last stage only. */
  readonly targets?: number;
  /** Every run adds the sum of its tokens' losses [1]: last stage only, on every tp rank. */
  readonly loss?: number;
}

/** A part's forward program without what only a backward needs. */
function forwardOnly(name: PartName, settings: TraceSettings, end: 'logits' | 'loss'): Program {
  if (name === 'head' && end === 'logits') return traceLogits(settings);
  const { inputs, nodes, outputs } = tracePart(name, settings).forward;
  const [key, result] = outputs.y ? ['y', outputs.y] : ['lossSum', outputs.lossSum!];
  return { inputs, nodes: slice(nodes, [result]), outputs: { [key]: result } };
}

/** Logits of a window. */
export const buildLogitsStep = (settings: WindowSettings, rank: number): LogitsStep =>
  buildForwardStep(settings, rank, 'logits');

/** The loss of a batch. */
export const buildLossStep = (settings: WindowSettings, rank: number): LossStep =>
  buildForwardStep(settings, rank, 'loss');

function buildForwardStep(
  { config, layout, batch, seqLen, precision }: WindowSettings,
  rank: number,
  end: 'logits' | 'loss',
): LogitsStep & LossStep {
  const coords = coordsOf(layout, rank);
  const stage = coords.pp;
  const builder = startProgram(layout, rank, precision);
  const trace: TraceSettings = { config, layout, coords, batch, seqLen, lossScale: 1 };
  const programs = new Map<PartName, ProgramPieces>();
  const held = new Map<string, number>();
  const params: { spec: ParamSpec; param: number }[] = [];
  const hold = (spec: ParamSpec): number => {
    const known = held.get(spec.name);
    if (known !== undefined) return known;
    const param = builder.buffer('parameter', spec.name, shardShape(spec, layout));
    held.set(spec.name, param);
    params.push({ spec, param });
    return param;
  };
  const peer = (other: number) => rankAt(layout, { ...coords, pp: other });

  const tokens = (name: string) => builder.buffer('tokens', name, [batch, seqLen], 'int');
  const ids = stage === 0 ? tokens('ids') : undefined;
  const ends = end === 'loss' && stage === layout.pp - 1;
  const [targets, loss] = ends ? [tokens('targets'), builder.buffer('scalar', 'loss', [1])] : [];
  let x: number | undefined;
  let logits: number | undefined;
  if (stage > 0) {
    x = builder.buffer('activation', `from stage ${stage - 1}`, residualShape(trace));
    builder.emit({ kind: 'recv', rank: peer(stage - 1), buffer: x, site: `stage ${stage} receives`, phase: 'forward' });
  }
  for (const part of stageParts(config, layout, stage)) {
    const program = programs.get(part.name) ?? cutProgram(forwardOnly(part.name, trace, end));
    programs.set(part.name, program);
    const inputs = Object.fromEntries(
      paramSpecs(config, layout, part).map((spec) => [`param:${spec.key}`, hold(spec)]),
    );
    const { outputs } = builder.run(
      program,
      {
        ...inputs,
        ...(part.name === 'embedding' ? { ids: ids! } : { x: x! }),
        ...(part.name === 'head' && ends ? { targets: targets!, lossSum: loss! } : {}),
      },
      { ...placeOf(part), phase: 'forward' },
    );
    x = outputs.y;
    logits = outputs.logits;
  }
  if (stage < layout.pp - 1)
    builder.emit({ kind: 'send', rank: peer(stage + 1), buffer: x!, site: `stage ${stage} sends`, phase: 'forward' });
  return {
    ...builder.finish(),
    params,
    ...(ids === undefined ? {} : { ids }),
    ...(logits === undefined ? {} : { logits }),
    ...(targets === undefined ? {} : { targets }),
    ...(loss === undefined ? {} : { loss }),
  };
}

/** One message at a time goes from each stage to the next. */
export function windowTalk({ config, layout, batch, seqLen, precision }: WindowSettings): Talk {
  const size = worldSize(layout);
  const shape = residualShape({ config, layout, coords: coordsOf(layout, 0), batch, seqLen, lossScale: 1 });
  const capacityBytes = elements(shape) * (precision === 'f64' ? 8 : 4);
  const channels = Array.from({ length: size }, (_, rank) => ({ rank, coords: coordsOf(layout, rank) }))
    .filter(({ coords }) => coords.pp < layout.pp - 1)
    .map(({ rank, coords }) => ({ from: rank, to: rankAt(layout, { ...coords, pp: coords.pp + 1 }), capacityBytes }));
  return { size, groups: groupsOf(layout), channels };
}
