// What a rank does once in a step, before its microbatches and after them, and what lasts: state, tokens and scalars.
import { coordsOf } from '../../mesh/mesh.ts';
import type { AlikeParts } from '../../state/buckets.ts';
import { type StateVector, stateOfParts } from '../../state/vectors.ts';
import { ownMesh, type StepSettings } from '../../step/settings.ts';
import { tokenBuffers } from '../../step/token-buffers.ts';
import { beginStep, endStep } from '../../step/training-step.ts';
import { inTurn } from './live.ts';
import { startRecording } from './recorder.ts';
import { bytesOf, profilesOf, summarise, widthOf } from './run-summary.ts';
import type { StageSummary, StateBytes, Widths } from './summary.ts';

/** Of a rank of stage `pp` that has these parts. Of the scalars that finishing makes for each bucket those of one that stands for others are left out. */
export function onceSummary(
  parts: readonly AlikeParts[],
  settings: StepSettings,
  pp: number,
  widths: Widths,
): Pick<StageSummary, 'once' | 'state' | 'own'> {
  const { config, layout } = settings;
  const coords = { ...coordsOf(layout, 0), pp };
  const { byLoad, ...state } = stateOfParts(config, layout, coords, parts);
  const { builder, recording } = startRecording(layout, state.vectors);
  const own = ownMesh(settings, coords);
  const hasHead = parts.some(({ part }) => part.name === 'head');
  const step = { builder, state, settings, own };
  // Biases that are moved by load send nothing: they are left out.
  endStep(step, beginStep({ ...step, hasHead }));
  const { steps } = recording;
  const live = inTurn(profilesOf(recording, [steps.length], widths, { given: [], left: [] }));
  const ownBytes = (all: typeof recording.own) => all.reduce((sum, each) => sum + bytesOf(each, widths), 0);
  const tokenBytes = (microbatches: number): number => {
    const tokens = startRecording(layout, []);
    const named = parts.map(({ part }) => part);
    tokenBuffers(tokens.builder, named, { ...settings, microbatches }, coords, 'loss');
    return ownBytes(tokens.recording.own);
  };
  const [first, second] = [tokenBytes(1), tokenBytes(2)];
  const microbatch = second - first;
  return {
    once: summarise(steps, widths, live),
    state: stateBytes(state.vectors, widths),
    own: { step: ownBytes(recording.own) + first - microbatch, microbatch },
  };
}

function stateBytes(vectors: readonly StateVector[], widths: Widths): StateBytes {
  const bytes = { weights: 0, gradients: 0, optimizer: 0 };
  for (const { role, size, bucket } of vectors) {
    const all = size * bucket.count;
    if (role === 'parameter') bytes.weights += all * widths.parameters;
    else if (role === 'gradient') bytes.gradients += all * widths.gradients;
    else bytes.optimizer += all * widthOf(role, widths);
    // Copies are of what moments are held for.
    if (role === 'firstMoment') bytes.optimizer += all * widths.master;
  }
  return bytes;
}
