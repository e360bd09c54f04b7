// Random small models and layouts that fit each other, for properties over both.
import fc from 'fast-check';
import { cpModes, type Layout, oneRank, parseLayout, printLayout } from '../src/mesh/layout.ts';
import { worldSize } from '../src/mesh/mesh.ts';
import { type Recompute, recomputePolicies } from '../src/mesh/recompute.ts';
import { sequencePieces } from '../src/mesh/sequence.ts';
import { parseModelConfig } from '../src/model/families.ts';
import type { PreferenceSettings } from '../src/model/preference.ts';
import type { RouterSettings } from '../src/model/router.ts';
import { sharesProblem } from '../src/plan/by-speed.ts';
import { alikeReplicas, type StepSettings, sequencesPerStep } from '../src/step/settings.ts';
import { orderText } from './random-order.ts';
import { anyRouter, inPrecision, routerFor } from './random-routers.ts';
import { configJson, familyNames, hasHeadNorms, hasOwnKeys, mixtures, type SmallModel } from './small-models.ts';

export interface Case {
  readonly model: SmallModel;
  readonly layout: Layout;
  readonly seqLen: number;
  readonly microBatch: number;
  /** On each data-parallel rank; with `shares` on that which has most. */
  readonly microbatches: number;
  readonly shares?: readonly number[];
  /** By rank. */
  readonly speeds?: readonly number[];
  /** Sequences hold documents of up to so many tokens; undefined: each is one. */
  readonly documents?: number;
  /** They are dealt out by their cost. */
  readonly balanced?: true;
  /** The documents are completions of pairs, whose loss is of preference. */
  readonly preference?: PreferenceSettings;
  /** Of mixtures. */
  readonly router?: RouterSettings;
  /** Of documents: what counts no token in the second step. */
  readonly uncounted?: 'microbatch' | 'replica' | 'step';
  /** Tokens of a block of the loss, and of attention; undefined: as users have them. */
  readonly lossBlock?: number;
  readonly attentionBlock?: number;
}

/** One line that {@link caseOf} reads again. */
export const nameOf = ({ layout, ...rest }: Case): string =>
  JSON.stringify({ layout: printLayout(layout), scheduleText: layout.scheduleFile?.text, ...rest });

export function caseOf(line: string): Case {
  const named = JSON.parse(line) as Omit<Case, 'layout'> & { readonly layout: string; readonly scheduleText?: string };
  const { layout, scheduleText, ...rest } = named;
  return { ...rest, layout: parseLayout(layout, scheduleText === undefined ? undefined : () => scheduleText) };
}

export const settingsOf = (
  { model, documents, balanced, uncounted: _, router, ...shape }: Case,
  precision: StepSettings['precision'],
): StepSettings => ({
  ...shape,
  config: parseModelConfig(configJson(model), model.family),
  precision,
  ...(documents === undefined && shape.preference === undefined ? {} : { packed: balanced ? 'balanced' : 'by-count' }),
  ...(router ? { router: inPrecision(router, precision) } : {}),
});

/** The same work on one rank. */
export const onOneRank = ({ attentionBlock: _, lossBlock: __, ...settings }: StepSettings): StepSettings => ({
  ...alikeReplicas(settings),
  layout: oneRank,
  microbatches: sequencesPerStep(settings) / settings.microBatch,
});

const sizes = [1, 2, 3, 4, 5, 6, 7, 8];
const meshesOf = (most: number) =>
  sizes
    .flatMap((tp) => sizes.flatMap((cp) => sizes.flatMap((pp) => sizes.map((dp) => ({ ...oneRank, tp, cp, pp, dp })))))
    .filter((mesh) => worldSize(mesh) <= most && worldSize(mesh) > 1 && mesh.pp <= 5);

/** `layers` cut into `parts` of at least one, by numbers that say where. */
function cutAt(layers: number, parts: number, random: readonly number[]): number[] {
  const stages = Array.from({ length: parts }, () => 1);
  for (let i = parts; i < layers; i++) stages[random[i]! % parts]! += 1;
  return stages;
}

/** Some layers of a policy, or all. */
const anyRecompute: fc.Arbitrary<Recompute> = fc
  .record({
    policy: fc.constantFrom(...recomputePolicies),
    layers: fc.option(
      fc.tuple(fc.nat(4), fc.nat(3)).map(([first, more]) => [[first, first + more] as const]),
      { nil: undefined },
    ),
  })
  .map(({ policy, layers }) => ({ policy, ...(policy === 'none' || !layers ? {} : { layers }) }));

type Work = Pick<Case, 'documents' | 'preference' | 'uncounted'>;

/** What the sequences hold: one document, several, or pairs of completions of at least three tokens each. */
function workOf(
  { documents, preference, balanced, uncounted }: Work & { readonly balanced: boolean },
  seqLen: number,
): Work & Pick<Case, 'balanced'> {
  const room = Math.floor(seqLen / 6);
  const ofPairs = preference && room > 0 ? { ...preference, pairs: Math.min(preference.pairs, room) } : undefined;
  if (!ofPairs && (documents === undefined || seqLen < 3)) return {};
  return {
    ...(ofPairs ? { preference: ofPairs } : { documents: documents! }),
    ...(balanced ? { balanced } : {}),
    ...(uncounted === undefined ? {} : { uncounted }),
  };
}

/** Any of up to `ranks` ranks, heads and widths that tp divides, everything else free. */
export const casesOf = (ranks: number): fc.Arbitrary<Case> =>
  fc
    .record({
      // Half of them with stages and replicas, where most settings meet; some on one rank, where most do nothing.
      mesh: fc.oneof(
        { weight: 9, arbitrary: fc.constantFrom(...meshesOf(ranks)) },
        { weight: 7, arbitrary: fc.constantFrom(...meshesOf(ranks).filter(({ pp, dp }) => pp > 1 && dp > 1)) },
        { weight: 7, arbitrary: fc.constantFrom(...meshesOf(ranks).filter(({ cp, tp, pp }) => cp > 1 && tp * pp > 1)) },
        { weight: 1, arbitrary: fc.constant({ ...oneRank }) },
      ),
      sp: fc.boolean(),
      cpMode: fc.constantFrom(...cpModes),
      schedule: fc.constantFrom('gpipe' as const, '1f1b' as const, '1f1b' as const, 'zb-h1' as const, 'file' as const),
      picks: fc.array(fc.nat(1000), { minLength: 1, maxLength: 24 }),
      virtual: fc.constantFrom(1, 2, 2, 3),
      zero: fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const),
      recompute: anyRecompute,
      // A nil comes once in `freq` times.
      documents: fc.option(fc.integer({ min: 3, max: 7 }), { nil: undefined, freq: 2 }),
      balanced: fc.boolean(),
      preference: fc.oneof(
        { weight: 2, arbitrary: fc.constant(undefined) },
        {
          weight: 1,
          arbitrary: fc.record({ beta: fc.constantFrom(0.1, 0.5, 2), pairs: fc.integer({ min: 1, max: 3 }) }),
        },
      ),
      uncounted: fc.option(fc.constantFrom('microbatch' as const, 'replica' as const, 'step' as const), {
        nil: undefined,
        freq: 2,
      }),
      lossBlock: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined, freq: 2 }),
      attentionBlock: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined, freq: 2 }),
      // Of replicas, and of ranks.
      shares: fc.option(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 8, maxLength: 8 }), { freq: 3 }),
      speeds: fc.option(fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 8, maxLength: 8 }), { freq: 2 }),
      uneven: fc.option(fc.array(fc.nat(100), { minLength: 8, maxLength: 8 }), { freq: 2 }),
      family: fc.oneof(
        { weight: 2, arbitrary: fc.constantFrom(...familyNames) },
        { weight: 1, arbitrary: fc.constantFrom(...mixtures) },
      ),
      headsPerRank: fc.integer({ min: 1, max: 3 }),
      kvPick: fc.nat(100),
      headDim: fc.constantFrom(2, 4, 6),
      hidden: fc.integer({ min: 6, max: 24 }),
      mlpPerRank: fc.integer({ min: 1, max: 6 }),
      vocab: fc.integer({ min: 3, max: 40 }),
      moreLayers: fc.nat(4),
      tied: fc.boolean(),
      biases: fc.boolean(),
      window: fc.integer({ min: 2, max: 8 }),
      experts: fc.integer({ min: 1, max: 9 }),
      // Of the replicas of a model with experts.
      epPick: fc.nat(100),
      perToken: fc.nat(100),
      expertPerRank: fc.integer({ min: 1, max: 4 }),
      sharedPerRank: fc.integer({ min: 1, max: 3 }),
      normalised: fc.boolean(),
      sigmoid: fc.boolean(),
      router: anyRouter,
      dense: fc.subarray([0, 1, 2, 3]),
      length: fc.integer({ min: 3, max: 12 }),
      microBatch: fc.integer({ min: 1, max: 2 }),
      microbatches: fc.integer({ min: 1, max: 4 }),
    })
    .map(({ mesh, ...random }) => {
      const { tp, cp, pp } = mesh;
      const isMixture = mixtures.includes(random.family);
      const sharings = sizes.filter((size) => mesh.dp % size === 0);
      const ep = isMixture ? sharings[random.epPick % sharings.length]! : 1;
      const experts = ep * Math.ceil(random.experts / ep);
      const perToken = 1 + (random.perToken % experts);
      const router = random.router && routerFor(random.router, { perToken, experts });
      const cpMode = cp === 1 ? oneRank.cpMode : random.cpMode;
      const headRanks = cpMode === 'ulysses' ? tp * cp : tp;
      const wanted = headRanks * random.headsPerRank;
      const heads = wanted > 8 ? headRanks : wanted;
      const fits = (ranks: number, kv: number) => kv % ranks === 0 || ranks % kv === 0;
      const kvChoices = Array.from({ length: heads }, (_, i) => i + 1).filter(
        (kv) => heads % kv === 0 && fits(tp, kv) && (cpMode !== 'ulysses' || fits(cp, Math.max(1, kv / tp))),
      );
      const layers = Math.min(6, pp + random.moreLayers);
      const chunks = pp === 1 || random.schedule === 'zb-h1' ? 1 : Math.min(random.virtual, Math.floor(layers / pp));
      // Two features leave a norm little but their signs.
      const tooFew =
        random.family === 'gpt2' ? heads * random.headDim < 6 : hasHeadNorms(random.family) && random.headDim < 4;
      const headDim = tooFew ? 6 : random.headDim;
      const sp = random.sp && tp > 1;
      const size = { stages: pp, chunks, microbatches: random.microbatches };
      const layout: Layout = {
        ...mesh,
        ep,
        dp: mesh.dp / ep,
        sp,
        cpMode,
        schedule: random.schedule,
        virtual: chunks,
        zero: random.zero,
        recompute: random.recompute,
        ...(random.schedule === 'file' ? { scheduleFile: { path: 'drawn', text: orderText(size, random.picks) } } : {}),
        ...(random.uneven === null ? {} : { stages: cutAt(layers, pp * chunks, random.uneven) }),
      };
      const canDiffer = random.shares !== null && mesh.dp > 1 && sharesProblem({ layout }) === undefined;
      const shares = canDiffer ? Array.from({ length: mesh.dp }, (_, dp) => random.shares![dp % 8]!) : undefined;
      const speeds = random.speeds && Array.from({ length: worldSize(mesh) }, (_, at) => random.speeds![at % 8]! / 8);
      const parts = leastMultiple(sequencePieces({ cp, cpMode }), sp ? cp * tp : 1);
      const seqLen = parts * Math.max(1, Math.round(random.length / parts));
      return {
        model: {
          family: random.family,
          heads,
          kvHeads: hasOwnKeys(random.family) ? heads : kvChoices[random.kvPick % kvChoices.length]!,
          headDim,
          hidden: random.hidden,
          mlp: tp * random.mlpPerRank,
          vocab: random.vocab,
          layers,
          tied: random.tied,
          biases: random.biases,
          window: random.window,
          ...(isMixture
            ? {
                mixture: {
                  experts,
                  perToken,
                  width: tp * random.expertPerRank,
                  sharedWidth: tp * random.sharedPerRank,
                  normalised: random.normalised,
                  ...(random.sigmoid ? { sigmoid: true } : {}),
                  ...(router?.biasRate ? { bias: true as const } : {}),
                  dense: random.dense,
                },
              }
            : {}),
        },
        layout,
        seqLen: Math.max(2, seqLen),
        microBatch: random.microBatch,
        microbatches: shares ? Math.max(...shares) : random.microbatches,
        ...(shares ? { shares } : {}),
        ...(speeds ? { speeds } : {}),
        ...workOf(random, seqLen),
        ...(router && mixtures.includes(random.family) ? { router } : {}),
        ...(random.lossBlock === undefined ? {} : { lossBlock: random.lossBlock }),
        ...(random.attentionBlock === undefined ? {} : { attentionBlock: random.attentionBlock }),
      };
    });

function leastMultiple(a: number, b: number): number {
  let multiple = a;
  while (multiple % b !== 0) multiple += a;
  return multiple;
}

export const anyCase = casesOf(8);
