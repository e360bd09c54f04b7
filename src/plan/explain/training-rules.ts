// The rules of thumb of training: what to split first, and what to keep where.
import { type Axis, axes } from '../../mesh/mesh.ts';
import { divisors } from '../../model/fit.ts';
import { formatBytes, formatPercent } from '../../units.ts';
import { groupSpread } from '../hardware/group-spread.ts';
import { fitsAll, usableBytes } from '../training/fits.ts';
import type { StepTime } from '../training/scenario.ts';
import { ordersIn } from './alternatives.ts';
import { bestOf } from './best-of.ts';
import { compareTimes, differenceText } from './compare.ts';
import type { Judged, Predict } from './judged.ts';
import type { Rule } from './rules.ts';
import { type Changes, changesOf, variantOf } from './variant.ts';

export interface TrainingCase extends Judged {
  readonly predict: Predict;
}

const onlyData: Changes = { tp: 1, cp: 1, pp: 1 };

export const trainingRules: readonly Rule<TrainingCase>[] = [
  {
    name: 'start with dp',
    applies: (given) => given.scenario.cluster.devices > 1 && leastOfData(given)?.fits === true,
    holds: ({ scenario: { layout } }) => layout.tp * layout.cp * layout.pp === 1,
    because: (given) =>
      `a replica fits its device, so nothing inside of layers travels; gradients and parameters hold up ${shareOf(given, ['dp'])} of a step`,
    though: (given) => instead(given, [onlyData]),
  },
  {
    name: 'ZeRO where memory is short',
    applies: (given) => unsharded(given)?.fits === false,
    holds: ({ scenario: { layout } }) => layout.zero > 0,
    because: (given) =>
      `with all of a replica's state on every rank a device would need ${formatBytes(unsharded(given)!.bytes)}, of which ${usable(given)} are usable`,
    though: (given) => instead(given, [{ zero: 1 }, { zero: 2 }, { zero: 3 }]),
  },
  {
    name: 'tp with sp, inside the node',
    applies: (given) =>
      given.scenario.layout.tp > 1 || (sizesInNode(given).length > 0 && leastOfData(given)?.fits !== true),
    holds: (given) => {
      const { layout } = given.scenario;
      return layout.tp > 1 && layout.sp && reachOf(given, 'tp') <= nodeTier(given);
    },
    because: (given) => {
      const least = leastOfData(given);
      const why =
        least && !least.fits
          ? `dp alone would need ${formatBytes(least.bytes)} a device, ${usable(given)} are usable; `
          : '';
      return `${why}${linksOf(given, ['tp'])}, where it holds up ${shareOf(given, ['tp'])} of a step`;
    },
    though: (given) =>
      instead(
        given,
        sizesInNode(given).map((tp) => ({ tp, sp: true })),
      ),
  },
  {
    name: 'pp, interleaved',
    applies: ({ scenario: { layout } }) => layout.pp > 1,
    holds: (given) => {
      const { virtual, schedule } = given.scenario.layout;
      return virtual > 1 || (schedule !== '1f1b' && schedule !== 'gpipe') || bubbleOf(given) < smallBubble;
    },
    because: (given) => {
      const { layout } = given.scenario;
      const whole = layout.virtual > 1 ? variantOf(given.scenario, { virtual: 1 }) : undefined;
      const other =
        whole && 'scenario' in whole
          ? `, which would be ${formatPercent(bubbleOf({ prediction: given.predict(whole.scenario) }))} with one chunk a stage`
          : '';
      return `${layout.pp} stages hand on activations alone, and wait for one another ${formatPercent(bubbleOf(given))} of a step${other}`;
    },
    though(given) {
      const { software } = given.scenario;
      const chunks = software.pipelines.includes('interleaved') ? [{ virtual: 2 }, { virtual: 4 }] : [];
      const orders = ordersIn(software).filter((order) => order !== '1f1b');
      return instead(given, [...chunks, ...orders.map((schedule) => ({ schedule }))]);
    },
  },
  {
    name: 'ep for experts, beside tp and dp',
    applies: ({ scenario: { config, cluster } }) => config.mixture !== undefined && cluster.devices > 1,
    holds: ({ scenario: { layout } }) => layout.ep > 1,
    because: (given) =>
      `each of ${given.scenario.layout.ep} ranks has its own experts; tokens on their way to them hold up ${shareOf(given, ['ep'])} of a step`,
    though: (given) =>
      instead(
        given,
        epSizes(given).map((ep) => ({ ep })),
      ),
  },
  {
    name: 'cp and recomputation for long sequences',
    applies: (given) => activationsInNode(given) > usableBytes(given.scenario.cluster.device),
    holds: ({ scenario: { layout } }) => layout.cp > 1 || layout.recompute.policy !== 'none',
    because: (given) =>
      `over all of a node's tp ranks one sequence would still keep ${formatBytes(activationsInNode(given))} on each, of which ${usable(given)} are usable`,
    though: (given) => instead(given, [{ cp: 2 }, { cp: 4 }, { cp: 8 }]),
  },
  {
    name: 'the innermost axis has the fastest links',
    applies: (given) => given.scenario.cluster.tiers.length > 1 && axesUsed(given).length > 1,
    holds: (given) => {
      const reaches = axesUsed(given).map((axis) => reachOf(given, axis));
      return reaches.every((reach, i) => i === 0 || reach >= reaches[i - 1]!);
    },
    because: (given) => linksOf(given, axesUsed(given)),
    though: (given) => linksOf(given, axesUsed(given)),
  },
  {
    name: 'communication is not the new bottleneck',
    applies: ({ scenario: { cluster } }) => cluster.devices > 1,
    holds: ({ prediction: { time } }) => talkOf(time) < time.compute,
    because: (given) =>
      `talk that no kernel hides is ${shareOf(given, talking)} of a step, kernels are ${shareOf(given, ['compute'])}`,
    though: (given) =>
      `talk that no kernel hides is ${shareOf(given, talking)} of a step: the batch is small for these links, ${tokensOf(given)} tokens a device`,
  },
];

const smallBubble = 0.02;
const talking = ['tp', 'cp', 'ep', 'dp', 'pp'] as const;

const talkOf = (time: StepTime): number => talking.reduce((sum, axis) => sum + time[axis], 0);
const bubbleOf = ({ prediction: { time, stepSeconds } }: Pick<Judged, 'prediction'>): number =>
  time.bubble / stepSeconds;
const usable = ({ scenario }: Judged): string => formatBytes(usableBytes(scenario.cluster.device));

const shareOf = ({ prediction: { time, stepSeconds } }: Judged, causes: readonly (keyof StepTime)[]): string =>
  formatPercent(causes.reduce((sum, cause) => sum + time[cause], 0) / stepSeconds);

const tokensOf = ({ prediction: { tokensPerSecondPerDevice, stepSeconds } }: Judged): number =>
  Math.round(tokensPerSecondPerDevice * stepSeconds);

const axesUsed = ({ scenario: { layout } }: Judged): Axis[] => axes.filter((axis) => layout[axis] > 1);

/** Of the tiers that an axis's groups lie over, the outermost. */
const reachOf = ({ scenario: { layout, cluster } }: Judged, axis: Axis): number =>
  groupSpread(layout, axis, cluster).findLastIndex((ranks) => ranks > 1);

/** The last tier is the network, where there are several. */
const nodeTier = ({ scenario: { cluster } }: Judged): number => Math.max(0, cluster.tiers.length - 2);

/** E.g. `tp within the node (450 GB/s a device), dp over infiniband-ndr (50 GB/s)`. */
const linksOf = (given: Judged, used: readonly Axis[]): string => {
  const { tiers } = given.scenario.cluster;
  return tiers
    .flatMap(({ name, bytesPerSecond }, at) => {
      const here = used.filter((axis) => reachOf(given, axis) === at);
      if (here.length === 0) return [];
      return [
        `${here.join(' and ')} ${at <= nodeTier(given) ? 'within the' : 'over'} ${name} (${formatBytes(bytesPerSecond)}/s a device)`,
      ];
    })
    .join(', ');
};

/** Sizes of tp that stay in the node and divide the model, the smallest first. */
const sizesInNode = (given: TrainingCase): number[] =>
  divisors(given.scenario.cluster.tiers[nodeTier(given)]!.devices).filter((tp) => {
    const variant = tp > 1 ? variantOf(given.scenario, { tp, sp: true }) : undefined;
    return variant !== undefined && 'scenario' in variant;
  });

const epSizes = ({ scenario: { config, cluster } }: TrainingCase): number[] =>
  divisors(config.mixture!.experts).filter((ep) => ep > 1 && ep <= cluster.devices);

interface Room {
  readonly bytes: number;
  readonly fits: boolean;
}

function roomOf(given: TrainingCase, changes: Changes): Room | undefined {
  const variant = variantOf(given.scenario, changes);
  if (!variant || 'problem' in variant) return undefined;
  const prediction = given.predict(variant.scenario);
  return { bytes: prediction.memory.total, fits: fitsAll(variant.scenario, prediction) };
}

/** What data parallelism alone needs at least; undefined: the batch does not divide over as many replicas. */
const leastOfData = (given: TrainingCase): Room | undefined =>
  roomOf(given, { ...onlyData, zero: 3, recompute: { policy: 'full' }, microBatch: 1 });

/** What a rank needs without ZeRO; undefined: there is nobody to share with. */
const unsharded = (given: TrainingCase): Room | undefined => {
  const { dp, cp, ep } = given.scenario.layout;
  return dp * cp * ep > 1 ? roomOf(given, { zero: 0 }) : undefined;
};

/** Bytes of one sequence's activations where all that is done against them is tp over a node. */
function activationsInNode(given: TrainingCase): number {
  const tp = sizesInNode(given).at(-1) ?? 1;
  const variant = variantOf(given.scenario, { tp, cp: 1, recompute: { policy: 'none' }, microBatch: 1 });
  if (!variant || 'problem' in variant) return 0;
  return given.predict({ ...variant.scenario, microbatches: 1 }).memory.activations;
}

/** What the best that follows a rule would take. */
function instead({ scenario, prediction, predict }: TrainingCase, kinds: readonly Changes[]): string {
  const best = bestOf(scenario, kinds, predict);
  if (!best) return 'none that follows it fits';
  const [most] = compareTimes(prediction, best.prediction);
  const slower = best.prediction.stepSeconds / prediction.stepSeconds - 1;
  const named = `with ${changesOf(scenario, best.scenario) || 'another pipeline'}`;
  if (!most || slower === 0) return `${named} a step takes as long`;
  return `${named} a step takes ${formatPercent(Math.abs(slower))} ${slower > 0 ? 'longer' : 'less'}: ${differenceText(most)}`;
}
