// Summaries of parts and chunks, kept for all stages, layouts and calls that have the same: what a part does of a microbatch depends on few of a
// layout's settings, and on none of pp, dp (but for ZeRO 2 and 3), the schedule, or how many microbatches there are.
import type { Layout } from '../../mesh/layout.ts';
import { coordsOf } from '../../mesh/mesh.ts';
import type { RecomputePolicy } from '../../mesh/recompute.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { Part, PartName } from '../../model/params.ts';
import { hasEndsApart } from '../../model/stages.ts';
import { bucketsOfParts } from '../../state/buckets.ts';
import { zeroOf } from '../../state/placement.ts';
import { once } from '../../step/once.ts';
import { cutPrograms } from '../../step/part-programs.ts';
import { type StepSettings, traceSettings } from '../../step/settings.ts';
import { remember, rememberIn } from './known.ts';
import { inTurn, times } from './live.ts';
import { type Halves, type PartRecording, recordPart, sharedBy } from './part-recording.ts';
import { profilesOf, summarise, sumOf, widthsKey } from './run-summary.ts';
import type { ChunkSummary, CountedPart, PartSummary, RunSummary, Widths, WorkKind } from './summary.ts';

/** The settings that programs of parts are traced with. */
function traceKey({ config, layout, microBatch, seqLen, attentionBlock, router, expertRoom }: StepSettings): string {
  const { tp, sp, cp, cpMode, ep } = layout;
  const routing = config.mixture ? `${JSON.stringify(router)} ${expertRoom}` : '';
  return `${tp} ${sp} ${cp} ${cpMode} ${ep} ${microBatch} ${seqLen} ${attentionBlock} ${routing}`;
}

/** The same with all that they do not depend on as it is on one rank. */
const traced = (settings: StepSettings): StepSettings => ({
  ...settings,
  layout: { ...settings.layout, dp: 1, pp: 1, zero: 0 },
  microbatches: 1,
});

/** How parameters and their gradients are held: from ZeRO 2 on they are whole for a while, by bucket. */
function holdKey(config: ModelConfig, layout: Layout, part: Part): string {
  const zero = zeroOf(layout);
  if (zero < 2) return '';
  const sizes = bucketsOfParts(config, layout, [part]).map(({ name, size }) => `${name}=${size}`);
  return `${zero} ${layout.dp > 1} ${sizes.join()}`;
}

/** Of the parts and chunks of a rank. */
export interface Summaries {
  readonly part: (name: PartName, layer: number, policy: RecomputePolicy) => PartSummary;
  /** Chunks of one `key` have the same parts. */
  readonly chunk: (key: string, parts: () => readonly CountedPart[]) => ChunkSummary;
}

/** `settings`: with the replica's own mesh. */
export function summariesFor(settings: StepSettings, widths: Widths): Summaries {
  const { config, layout, lossBlock, preference } = settings;
  const trace = traceKey(settings);
  const bytes = widthsKey(widths);
  const ofHead = `${lossBlock} ${preference ? JSON.stringify(preference) : ''}`;
  const shared = zeroOf(layout) < 2 ? '' : `${layout.zero} ${layout.dp} ${hasEndsApart(layout)}`;
  const common = `parts ${trace}|${ofHead}|${shared}|${bytes}`;
  const ofLayout = rememberIn<PartSummary>(config, common);
  const chunks = rememberIn<ChunkSummary>(config, `${common}|${JSON.stringify(layout.recompute)}`);
  const part: Summaries['part'] = (name, layer, policy) => {
    return ofLayout(`${name} ${layer} ${policy}`, () => {
      const alike = { ...settings, layout: { ...layout, recompute: { policy } } };
      const origin = coordsOf(layout, 0);
      const held = holdKey(config, layout, { name, layer });
      const kind = `${name} ${layer} ${policy} ${name === 'head' ? ofHead : ''}|${trace}`;
      const recordingOf = (halves: Halves): PartRecording =>
        remember(config, `recording ${kind}|${held}|${halves}`, () => {
          const cut = remember(config, `programs ${trace}`, () => cutPrograms(traceSettings(traced(settings), origin)));
          return recordPart({ name, layer }, alike, traceSettings(alike, origin), cut, halves);
        });
      const runsOf = once((halves: Halves) => phaseSummaries(sharedBy(recordingOf(halves), layout.dp), widths));
      return {
        name,
        layer,
        policy,
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
  return { part, chunk: (key, parts) => chunks(key, () => chunkSummary(parts())) };
}

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
function chunkSummary(parts: readonly CountedPart[]): ChunkSummary {
  const known: { [kind in WorkKind]?: RunSummary } = {};
  const runOf = (kind: WorkKind): RunSummary => {
    const found = known[kind];
    if (found) return found;
    const all = parts.map(({ part, count }) => ({ run: part[kind], count }));
    const inOrder = kind === 'forward' ? all : all.toReversed();
    const made = sumOf(all, inTurn(inOrder.map(({ run, count }) => times(run.live, count))));
    known[kind] = made;
    return made;
  };
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
}
