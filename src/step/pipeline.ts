// Plays a stage's list of actions: what flows between the parts is kept in one flight a microbatch and chunk.
import { coordsOf, type Mesh, rankAt } from '../mesh/mesh.ts';
import type { Part } from '../model/params.ts';
import { residualShape, type TraceSettings } from '../model/parts.ts';
import { chunkParts } from '../model/stages.ts';
import { type Action, type Message, messageTag, type Work } from '../schedule/schedule.ts';
import type { CompletionTokens } from './pair-runs.ts';
import type { LossBuffers, PartFlight, PartRuns } from './part-runs.ts';
import type { ProgramBuilder } from './program-builder.ts';
import type { Place, TokenBuffers } from './step.ts';
import { tokenInputs } from './token-buffers.ts';

/** What a program wants of the model's end: the gradients that start from the loss, the loss alone, how likely completions are, or logits. */
export type End =
  | { readonly of: 'training'; readonly loss: (microbatch: number) => LossBuffers }
  | { readonly of: 'loss'; readonly loss: (microbatch: number) => Omit<LossBuffers, 'one'> }
  | {
      readonly of: 'completions';
      readonly tokens: (microbatch: number) => CompletionTokens;
      readonly done: (microbatch: number, sums: number) => void;
    }
  | { readonly of: 'logits'; readonly done: (microbatch: number, logits: number) => void };

interface Pipeline {
  readonly builder: ProgramBuilder;
  readonly runs: PartRuns;
  readonly trace: TraceSettings;
  /** Of all ranks: the programs may be typed on a part of it. */
  readonly mesh: Mesh;
  readonly rank: number;
  readonly end: End;
  /** The inputs of parts besides x. */
  readonly tokens: (microbatch: number) => TokenBuffers;
}

/** A microbatch in a chunk of the stage: what came in, what goes out, and what its parts keep. */
interface Flight {
  x?: number | undefined;
  y?: number | undefined;
  dy?: number | undefined;
  dx?: number | undefined;
  readonly parts: PartFlight[];
  /** By part: the gradient of its result. */
  readonly gradients: (number | undefined)[];
}

/** Emits what one action does. */
export function playPipeline({ builder, runs, trace, mesh, rank, end, tokens }: Pipeline): (action: Action) => void {
  const { config, layout } = trace;
  const coords = coordsOf(mesh, rank);
  const stage = coords.pp;
  const chunks = Array.from({ length: layout.virtual }, (_, chunk) => chunkParts(config, layout, stage, chunk));
  const flights = new Map<string, Flight>();
  const flightOf = ({ microbatch, chunk }: Pick<Work, 'microbatch' | 'chunk'>): Flight => {
    const key = `${microbatch} ${chunk}`;
    const known = flights.get(key) ?? { parts: chunks[chunk]!.map(() => ({ kept: [] })), gradients: [] };
    flights.set(key, known);
    return known;
  };
  const placeOf = (part: Part, { kind, microbatch, chunk }: Work): Place => ({
    site: [part.name === 'block' ? `block ${part.layer}` : '', siteNames[kind]].join(' ').trim(),
    phase: kind,
    microbatch,
    chunk,
    ...(part.name === 'block' ? { layer: part.layer } : {}),
  });

  const forward = (work: Work, flight: Flight): void => {
    let x = flight.x;
    for (const [index, part] of chunks[work.chunk]!.entries()) {
      const place = placeOf(part, work);
      if (part.name === 'head' && end.of === 'loss') runs.loss(part, x!, place, end.loss(work.microbatch));
      else if (part.name === 'head' && end.of === 'completions')
        end.done(work.microbatch, runs.completions(part, x!, place, end.tokens(work.microbatch)));
      else if (part.name === 'head' && end.of === 'logits') end.done(work.microbatch, runs.logits(part, x!, place));
      else {
        const inputs = { ...tokenInputs(tokens(work.microbatch)), ...(x === undefined ? {} : { x }) };
        x = runs.forward(part, inputs, place, end.of === 'training' ? flight.parts[index] : undefined);
      }
    }
    flight.y = x;
  };
  const lossOf = (microbatch: number) => (end.of === 'training' ? end.loss(microbatch) : undefined);
  const backward = (work: Work, flight: Flight): void => {
    let dy = flight.dy;
    const whole = work.kind === 'backward';
    for (const [index, part] of [...chunks[work.chunk]!.entries()].reverse()) {
      const place = placeOf(part, work);
      const loss = part.name === 'head' ? lossOf(work.microbatch) : undefined;
      flight.gradients[index] = dy;
      dy = runs[whole ? 'backward' : 'inputGradient'](part, flight.parts[index]!, dy, place, loss);
    }
    flight.dx = dy;
  };
  const weightGradient = (work: Work, flight: Flight): void => {
    for (const [index, part] of [...chunks[work.chunk]!.entries()].reverse())
      runs.weightGradient(part, flight.parts[index]!, flight.gradients[index], placeOf(part, work));
  };

  const message = (action: Message): void => {
    const { kind, what, microbatch, chunk } = action;
    const flight = flightOf(action);
    const peer = rankAt(mesh, { ...coords, pp: action.stage });
    const site = `microbatch ${microbatch} ${what} ${kind === 'send' ? 'to' : 'from'} stage ${action.stage}`;
    const place: Place = { site, phase: what === 'activation' ? 'forward' : 'backward', microbatch, chunk };
    const tag = messageTag({ stages: layout.pp, bothWays: false }, stage, action);
    if (kind === 'recv') {
      const buffer = builder.activation(site, residualShape(trace));
      flight[what === 'activation' ? 'x' : 'dy'] = buffer;
      builder.emit({ kind, rank: peer, buffer, tag, ...place });
    } else {
      const buffer = flight[what === 'activation' ? 'y' : 'dx']!;
      builder.emit({ kind, rank: peer, buffer, tag, ...place });
    }
  };

  return (action) => {
    switch (action.kind) {
      case 'forward':
        return forward(action, flightOf(action));
      case 'backward':
      case 'inputGradient':
        return backward(action, flightOf(action));
      case 'weightGradient':
        return weightGradient(action, flightOf(action));
      case 'send':
      case 'recv':
        return message(action);
    }
  };
}

const siteNames = {
  forward: '',
  backward: 'backward',
  inputGradient: 'input gradient',
  weightGradient: 'weight gradient',
} as const;
