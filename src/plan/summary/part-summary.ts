// Summaries of parts and chunks, kept for all stages, layouts and calls that have the same: what a part does of a microbatch depends on few of a
// layout's settings, and on none of pp, dp (but for ZeRO 2 and 3), the schedule, or how many microbatches there are.
import type { Layout } from '../../mesh/layout.ts';
import { coordsOf } from '../../mesh/mesh.ts';
import type { RecomputePolicy } from '../../mesh/recompute.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { PartName } from '../../model/params.ts';
import { isTied } from '../../model/stages.ts';
import { zeroOf } from '../../state/placement.ts';
import { once } from '../../step/once.ts';
import { cutPrograms } from '../../step/part-programs.ts';
import { type StepSettings, traceSettings } from '../../step/settings.ts';
import { remember } from './known.ts';
import { inTurn, times } from './live.ts';
import { type Halves, type PartRecording, recordPart } from './part-recording.ts';
import { profilesOf, summarise, sumOf } from './run-summary.ts';
import type { ChunkSummary, CountedPart, PartSummary, RunSummary, Widths, WorkKind } from './summary.ts';

/** The settings that programs of parts are traced with. */
function traceKey({ config, layout, microBatch, seqLen, attentionBlock, router }: StepSettings): string {
  const { tp, sp, cp, cpMode, ep } = layout;
  const routing = config.mixture ? JSON.stringify(router) : '';
  return `${tp} ${sp} ${cp} ${cpMode} ${ep} ${microBatch} ${seqLen} ${attentionBlock} ${routing}`;
}

/** The same with all that they do not depend on as it is on one rank. */
const traced = (settings: StepSettings): StepSettings => ({
  ...settings,
  layout: { ...settings.layout, dp: 1, pp: 1, zero: 0 },
  microbatches: 1,
});

/** How parameters and their gradients are held. */
function holdKey(config: ModelConfig, layout: Layout, name: PartName): string {
  const zero = zeroOf(layout);
  if (zero < 2) return '';
  const isEnd = name !== 'block' && layout.pp > 1 && isTied(config, { key: tiedKey[name] });
  return `${zero} ${layout.dp} ${isEnd}`;
}
const tiedKey = { embedding: 'table.weight', head: 'head.weight' } as const;

/** Those of the parts of a rank. `settings`: with the replica's own mesh. */
export function partSummaries(
  settings: StepSettings,
  widths: Widths,
): (name: PartName, layer: number, policy: RecomputePolicy) => PartSummary {
  const { config, layout, lossBlock, preference } = settings;
  const trace = traceKey(settings);
  const bytes = widthsKey(widths);
  const ofHead = `${lossBlock} ${preference ? JSON.stringify(preference) : ''}`;
  return (name, layer, policy) => {
    const kind = `${name} ${layer} ${policy} ${name === 'head' ? ofHead : ''}|${trace}|${holdKey(config, layout, name)}`;
    return remember(config, `part ${kind}|${bytes}`, () => {
      const alike = { ...settings, layout: { ...layout, recompute: { policy } } };
      const origin = coordsOf(layout, 0);
      const recordingOf = (halves: Halves): PartRecording =>
        remember(config, `recording ${kind}|${halves}`, () => {
          const cut = remember(config, `programs ${trace}`, () => cutPrograms(traceSettings(traced(settings), origin)));
          return recordPart({ name, layer }, alike, traceSettings(alike, origin), cut, halves);
        });
      const runsOf = once((halves: Halves) => phaseSummaries(recordingOf(halves), widths));
      return {
        name,
        get forward() {
          return runsOf('whole').forward!;
        },
        get backward() {
          return runsOf('whole').backward!;
        },
        get inputGradient() {
          return runsOf('halves').inputGradient!;
        },
        get weightGradient() {
          return runsOf('halves').weightGradient!;
        },
      };
    });
  };
}

export const widthsKey = ({ activations, parameters, gradients, moments, master }: Widths): string =>
  `${activations} ${parameters} ${gradients} ${moments} ${master}`;

function phaseSummaries(recording: PartRecording, widths: Widths): Partial<Record<WorkKind, RunSummary>> {
  const { steps, ends } = recording;
  const profiles = profilesOf(
    recording,
    ends.map(([, end]) => end),
    widths,
    recording,
  );
  return Object.fromEntries(
    ends.map(([phase, end], index) => {
      const start = index === 0 ? 0 : ends[index - 1]![1];
      return [phase, summarise(steps.slice(start, end), widths, profiles[index]!)];
    }),
  );
}

/** Of parts side by side. */
export function chunkSummary(config: ModelConfig, parts: readonly CountedPart[]): ChunkSummary {
  const key = parts.map(({ part, count }) => `${idOf(part)}*${count}`).join();
  return remember(config, `chunk ${key}`, () => {
    const runOf = once((kind: WorkKind) => {
      const all = parts.map(({ part, count }) => ({ run: part[kind], count }));
      const inOrder = kind === 'forward' ? all : all.toReversed();
      return sumOf(all, inTurn(inOrder.map(({ run, count }) => times(run.live, count))));
    });
    return {
      parts,
      get forward() {
        return runOf('forward');
      },
      get backward() {
        return runOf('backward');
      },
      get inputGradient() {
        return runOf('inputGradient');
      },
      get weightGradient() {
        return runOf('weightGradient');
      },
    };
  });
}

const ids = new WeakMap<PartSummary, number>();
let nextId = 0;
function idOf(part: PartSummary): number {
  const id = ids.get(part) ?? nextId++;
  ids.set(part, id);
  return id;
}
