// What a rank does once in a step, before its microbatches and after them, and what lasts: state, tokens and scalars.
import { coordsOf } from '../../mesh/mesh.ts';
import { hasEndsApart } from '../../model/stages.ts';
import type { AlikeParts } from '../../state/buckets.ts';
import { sharedOver } from '../../state/placement.ts';
import { type StateVector, stateOfParts } from '../../state/vectors.ts';
import { ownMesh, type StepSettings } from '../../step/settings.ts';
import { tokenBuffers } from '../../step/token-buffers.ts';
import { beginStep, endStep } from '../../step/training-step.ts';
import { rememberIn } from './known.ts';
import { inTurn } from './live.ts';
import { type Recording, startRecording } from './recorder.ts';
import { bytesOf, profilesOf, summarise, widthOf, widthsKey } from './run-summary.ts';
import type { OwnBytes, RunSummary, StateBytes, Widths } from './summary.ts';

export interface OnceSummary {
  readonly once: RunSummary;
  readonly state: StateBytes;
  /** Bytes of scalars. */
  readonly scalars: number;
}

/**
 * Of a rank of stage `pp` that has these parts, which `key` names. Of the scalars that finishing makes for each bucket, those of buckets that
 * one stands for are left out.
 */
export function onceSummaries(
  settings: StepSettings,
  widths: Widths,
): (parts: () => readonly AlikeParts[], pp: number, key: string) => OnceSummary {
  const { config, layout, router, preference } = settings;
  const { tp, sp, cp, ep, dp, zero } = layout;
  const told = config.mixture ? JSON.stringify(router) : '';
  const mesh = `${tp} ${sp} ${cp} ${ep} ${dp} ${layout.pp} ${hasEndsApart(layout)} ${zero}`;
  const ofLayout = rememberIn<OnceSummary>(
    config,
    `once ${mesh} ${preference !== undefined} ${told} ${widthsKey(widths)}`,
  );
  return (parts, pp, key) =>
    ofLayout(key, () => {
      const coords = { ...coordsOf(layout, 0), pp };
      const { byLoad: _, ...state } = stateOfParts(config, layout, coords, parts());
      const { builder, recording } = startRecording(layout, state.vectors);
      const step = { builder, state, settings, own: ownMesh(settings, coords) };
      // Biases that are moved by load send nothing: they are left out.
      endStep(step, beginStep({ ...step, hasHead: parts().some(({ part }) => part.name === 'head') }));
      const { steps, own } = recording;
      const live = inTurn(profilesOf(recording, [steps.length], widths, { given: [], left: [] }));
      return {
        once: summarise(steps, widths, live),
        state: stateBytes(state.vectors, widths),
        scalars: bytesOfAll(own, widths),
      };
    });
}

/** Of the tokens of a rank that has these parts. */
export function tokenBytes(
  settings: StepSettings,
  widths: Widths,
): (parts: () => readonly AlikeParts[], key: string) => OwnBytes {
  const { config, layout, microBatch, seqLen, packed, preference } = settings;
  const { cp, cpMode } = layout;
  const shape = `${microBatch} ${seqLen} ${packed} ${preference?.pairs} ${cp} ${cpMode} ${widths.activations}`;
  const ofLayout = rememberIn<OwnBytes>(config, `tokens ${shape}`);
  return (parts, key) =>
    ofLayout(key, () => {
      const named = parts().map(({ part }) => part);
      const of = (microbatches: number): number => {
        const { builder, recording } = startRecording(layout, []);
        tokenBuffers(builder, named, { ...settings, microbatches }, coordsOf(layout, 0), 'loss');
        return bytesOfAll(recording.own, widths);
      };
      const microbatch = of(2) - of(1);
      return { step: of(1) - microbatch, microbatch };
    });
}

const bytesOfAll = (all: Recording['own'], widths: Widths): number =>
  all.reduce((sum, each) => sum + bytesOf(each, widths), 0);

function stateBytes(vectors: readonly StateVector[], widths: Widths): StateBytes {
  const bytes = { weights: 0, gradients: 0, optimizer: 0 };
  for (const { role, size, bucket } of vectors) {
    const all = size * bucket.count;
    if (role === 'parameter') bytes.weights += isCopy(bucket, widths) ? 0 : all * widths.parameters;
    else if (role === 'gradient') bytes.gradients += all * widths.gradients;
    else bytes.optimizer += all * widthOf(role, widths);
    // Copies are of what moments are held for.
    if (role === 'firstMoment') bytes.optimizer += all * widths.master;
  }
  return bytes;
}

/** Shares of parameters are those that the optimizer works on, where it has its own: what is gathered is cast first. */
const isCopy = ({ placement, types }: StateVector['bucket'], { master }: Widths): boolean =>
  master > 0 && sharedOver(placement.param, types).length > 0;
