// What a part of the model does of one microbatch, recorded once for all that are built alike: forward, then backward, whole or in halves.
import { coordsOf } from '../../mesh/mesh.ts';
import type { Part } from '../../model/params.ts';
import { residualShape, type TraceSettings } from '../../model/parts.ts';
import type { WorkKind } from '../../schedule/schedule.ts';
import { stateOfParts } from '../../state/vectors.ts';
import { holdState } from '../../step/held.ts';
import type { CutPrograms } from '../../step/part-programs.ts';
import { type PartFlight, runParts } from '../../step/part-runs.ts';
import { routingBuffers } from '../../step/routing-buffers.ts';
import type { StepSettings } from '../../step/settings.ts';
import type { Place } from '../../step/step.ts';
import { lossBuffers, lossOperands, tokenBuffers, tokenInputs } from '../../step/token-buffers.ts';
import { type RecordedTalk, type Recording, type Step, startRecording } from './recorder.ts';

/** How a backward pass is cut. */
export type Halves = 'whole' | 'halves';

const phases = {
  whole: ['forward', 'backward'],
  halves: ['forward', 'inputGradient', 'weightGradient'],
} as const satisfies Record<Halves, readonly WorkKind[]>;

export interface PartRecording extends Recording {
  /** The ranks of dp that share vectors out. */
  readonly dp: number;
  /** Where in the steps each phase ends, in their order. */
  readonly ends: readonly (readonly [phase: WorkKind, end: number])[];
  /** Activations that somebody made before: the part's operand and its result's gradient. */
  readonly given: readonly number[];
  /** Those that somebody reads later: its result and its operand's gradient. */
  readonly left: readonly number[];
}

/** `settings`: of one microbatch, with the replica's own mesh; `trace`: of them. */
export function recordPart(
  part: Part,
  settings: StepSettings,
  trace: TraceSettings,
  programs: CutPrograms,
  halves: Halves,
): PartRecording {
  const { config, layout, lossBlock, preference } = settings;
  const coords = coordsOf(layout, 0);
  const state = stateOfParts(config, layout, coords, [{ part, count: 1 }]);
  const { builder, recording, rootOf } = startRecording(layout, state.vectors);
  const routing = routingBuffers(builder, settings);
  const held = holdState({ config, layout, builder, state, coords });
  const runs = runParts({ builder, held, trace, programs, lossBlock, preference, told: routing?.ofLayer });
  const [tokens] = tokenBuffers(builder, [part], settings, coords, 'loss');
  const mean = lossBuffers(builder, settings);
  const loss = () => ({ ...lossOperands(tokens!, mean), scale: builder.own('', [1]), one: builder.own('', [1]) });

  const residual = (): number => builder.activation('', residualShape(trace));
  const place = (phase: WorkKind): Place => ({ site: '', phase, microbatch: 0, chunk: 0 });
  const flight: PartFlight = { kept: [] };
  const x = part.name === 'embedding' ? undefined : residual();
  const dy = part.name === 'head' ? undefined : residual();
  const inputs = { ...tokenInputs(tokens!), ...(x === undefined ? {} : { x }) };
  let [y, dx]: (number | undefined)[] = [];
  const run: Readonly<Record<WorkKind, () => void>> = {
    forward: () => {
      y = runs.forward(part, inputs, place('forward'), flight);
    },
    backward: () => {
      dx = runs.backward(part, flight, dy, place('backward'), dy === undefined ? loss() : undefined);
    },
    inputGradient: () => {
      dx = runs.inputGradient(part, flight, dy, place('inputGradient'), dy === undefined ? loss() : undefined);
    },
    weightGradient: () => runs.weightGradient(part, flight, dy, place('weightGradient')),
  };
  const ends = phases[halves].map((phase) => {
    run[phase]();
    return [phase, recording.steps.length] as const;
  });
  const roots = (buffers: readonly (number | undefined)[]) =>
    buffers.flatMap((buffer) => (buffer === undefined ? [] : [rootOf(buffer)]));
  return { ...recording, dp: layout.dp, ends, given: roots([x, dy]), left: roots([y, dx]) };
}

/** The same where so many ranks of dp share the same vectors out: what is whole for a while is as long as it was, shares are others. */
export function sharedBy(recording: PartRecording, dp: number): PartRecording {
  const less = recording.dp / dp;
  if (less === 1 || !recording.steps.some(({ ofShare }) => ofShare)) return recording;
  const shares = new Set(recording.steps.flatMap(({ ofShare, touched }) => (ofShare ? touched : [])));
  return {
    ...recording,
    dp,
    activations: recording.activations.map((each, root) =>
      shares.has(root) && each.role === 'activation' ? { ...each, numbers: each.numbers * less } : each,
    ),
    steps: recording.steps.map((step) => {
      const overDp = step.talk?.axis.split('+').includes('dp');
      if (!step.ofShare && !overDp) return step;
      return {
        ...step,
        kernels: step.ofShare ? step.kernels.map((kernel) => scaled(kernel, less)) : step.kernels,
        talk: talkBy(step, less),
      };
    }),
  };
}

function talkBy({ talk, ofShare }: Step, less: number): RecordedTalk | undefined {
  if (!talk) return undefined;
  return { ...talk, ranks: talk.ranks / less, numbers: ofShare ? talk.numbers * less : talk.numbers };
}

function scaled(kernel: Step['kernels'][number], by: number): Step['kernels'][number] {
  if (kernel.kind !== 'state') return kernel;
  const gone = Object.fromEntries(Object.entries(kernel.gone).map(([role, numbers]) => [role, numbers * by]));
  return { ...kernel, gone };
}
