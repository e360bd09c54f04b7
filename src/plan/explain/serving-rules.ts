// The rules of thumb of serving: replicas first, then what is split, and where.
import { divisors } from '../../model/fit.ts';
import { formatBytes } from '../../units.ts';
import { groupSpread } from '../hardware/group-spread.ts';
import { enginePolicies } from '../serving/engines.ts';
import { devicesOf, type InstanceSetting } from '../serving/instance.ts';
import { cacheBytes, servingMemory } from '../serving/memory.ts';
import type { Deployment, RequestLengths, ServingLayout, ServingMemory } from '../serving/scenario.ts';
import type { Rule } from './rules.ts';

export interface ServingCase extends InstanceSetting {
  readonly lengths: RequestLengths;
  readonly deployment: Deployment;
  /** Output tokens a second and device of another layout of every instance under the same targets; undefined: it keeps them with no load. */
  readonly rateOf: (layout: ServingLayout) => number | undefined;
  /** The same of the deployment itself. */
  readonly ownRate: () => number | undefined;
}

const one: ServingLayout = { tp: 1, cp: 1, ep: 1, dp: 1, pp: 1 };

export const servingRules: readonly Rule<ServingCase>[] = [
  {
    name: 'replicas where the model fits a device',
    applies: (given) => given.cluster.devices > 1 && hasBatch(given, one),
    holds: (given) => devicesOf(writersOf(given)) === 1,
    because: (given) => {
      const { weights, cache } = memoryOf(given, one);
      return `weights take ${formatBytes(weights)} of a device and leave ${formatBytes(cache)} for keys and values; replicas say nothing to one another`;
    },
    though: (given) => insteadText(given, [one]),
  },
  {
    name: 'tp inside the node, of few ranks first',
    applies: (given) => !hasBatch(given, one) && leastInNode(given) !== undefined,
    holds: (given) => {
      const { tp, pp, cp, dp } = writersOf(given);
      return tp * dp > 1 && pp === 1 && cp === 1 && tp * dp <= 2 * leastInNode(given)!;
    },
    because: (given) =>
      `${lackOf(given, one)}; ${leastInNode(given)} ranks share them, within a node of ${nodeOf(given)}`,
    though: (given) =>
      insteadText(given, [
        { ...one, tp: leastInNode(given)! },
        { ...one, tp: 2 * leastInNode(given)! },
      ]),
  },
  {
    name: 'pp over nodes, of tp inside them',
    applies: (given) => leastInNode(given) === undefined && given.cluster.devices > nodeOf(given),
    holds: (given) => {
      const { tp, pp, dp } = writersOf(given);
      return pp > 1 && tp * dp > 1 && tp <= nodeOf(given);
    },
    because: (given) =>
      `over the ${largestTp(given)} ranks of a node ${lackOf(given, { ...one, tp: largestTp(given) })}; between stages only activations travel`,
    though: (given) =>
      insteadText(
        given,
        [2, 4, 8].map((pp) => ({ ...one, tp: largestTp(given), pp })),
      ),
  },
  {
    name: 'dp over nodes',
    applies: (given) => (smallestOverNodes(given)?.devices ?? Number.POSITIVE_INFINITY) <= given.cluster.devices / 2,
    holds: (given) => instancesOf(given) > 1,
    because: (given) =>
      `${smallestOverNodes(given)!.devices} devices have room, and ${instancesOf(given)} instances compute apart, with no layer over ${given.cluster.tiers.at(-1)!.name} (${formatBytes(given.cluster.tiers.at(-1)!.bytesPerSecond)}/s a device)`,
    though: (given) => insteadText(given, [smallestOverNodes(given)!.layout]),
  },
  {
    name: 'long contexts are shared out',
    applies: (given) => cacheOfRequest(given, one) > given.cluster.device.memoryBytes / 2,
    holds: (given) => {
      const layout = writersOf(given);
      return cacheOfRequest(given, layout) < cacheOfRequest(given, one);
    },
    because: (given) =>
      `keys and values of one request are ${formatBytes(cacheOfRequest(given, one))}, ${formatBytes(cacheOfRequest(given, writersOf(given)))} a device as it is split`,
    though: (given) =>
      insteadText(
        given,
        [2, 4, 8].map((cp) => ({ ...one, cp })),
      ),
  },
  {
    name: 'ep for experts, kept in the node',
    applies: (given) => given.model.mixture !== undefined && devicesOf(writersOf(given)) > 1,
    holds: (given) => {
      const { ep, tp, cp, dp, pp } = writersOf(given);
      const outside = groupSpread({ tp, cp, ep: 1, dp, pp }, 'tp+cp+dp', given.cluster).at(-1)!;
      return ep > 1 && (given.cluster.tiers.length === 1 || outside === 1);
    },
    because: (given) =>
      `each of ${writersOf(given).ep} ranks reads its own experts, and tokens stay among links of a node`,
    though: (given) => {
      const layout = writersOf(given);
      const ranks = layout.tp * layout.cp * layout.dp;
      const experts = given.model.mixture!.experts;
      return insteadText(
        given,
        divisors(ranks)
          .filter((ep) => ep > 1 && experts % ep === 0)
          .map((ep) => ({ ...layout, ep })),
      );
    },
  },
];

const writersOf = ({ deployment }: ServingCase): ServingLayout =>
  (deployment.kind === 'aggregated' ? deployment.pool : deployment.decode).layout;

const tokensOf = ({ inputTokens, outputTokens }: RequestLengths): number => inputTokens + outputTokens;

const memoryOf = ({ model, cluster, formats, engine, lengths }: ServingCase, layout: ServingLayout): ServingMemory =>
  servingMemory({
    config: model,
    device: cluster.device,
    layout,
    formats,
    policy: enginePolicies[engine],
    requestTokens: tokensOf(lengths),
  });

const hasRoom = (given: ServingCase, layout: ServingLayout): boolean =>
  memoryOf(given, layout).cacheTokens >= tokensOf(given.lengths);

/**
 * Room for many requests: as much for keys and values as weights take. Where there is less, two devices that share weights have room for more
 * than half as many requests again as two that each hold them, and read each half as many bytes of them.
 */
const hasBatch = (given: ServingCase, layout: ServingLayout): boolean => {
  const { weights, cache } = memoryOf(given, layout);
  return hasRoom(given, layout) && cache >= weights;
};

const lackOf = (given: ServingCase, layout: ServingLayout): string => {
  const { weights, cacheTokens } = memoryOf(given, layout);
  const requests = Math.floor(cacheTokens / tokensOf(given.lengths));
  return `weights (${formatBytes(weights)} of a device's ${formatBytes(given.cluster.device.memoryBytes)}) leave room for ${requests === 0 ? 'no request' : requests === 1 ? 'one request' : `${requests} requests`}`;
};

const cacheOfRequest = ({ model, formats, lengths }: ServingCase, layout: ServingLayout): number =>
  cacheBytes(model, layout, formats, tokensOf(lengths));

/** Devices of the largest tier that is no network. */
const nodeOf = ({ cluster: { tiers } }: ServingCase): number => tiers[Math.max(0, tiers.length - 2)]!.devices;

const sizesInNode = (given: ServingCase): number[] =>
  divisors(nodeOf(given)).filter((tp) => given.model.heads % tp === 0);

const largestTp = (given: ServingCase): number => sizesInNode(given).at(-1)!;

/** Undefined: not even a whole node has room. */
const leastInNode = (given: ServingCase): number | undefined =>
  sizesInNode(given).find((tp) => tp > 1 && hasRoom(given, { ...one, tp }));

/** Of whole nodes, each a stage, the fewest that have room; undefined: there is one node, or all of them have none. */
function smallestOverNodes(
  given: ServingCase,
): { readonly devices: number; readonly layout: ServingLayout } | undefined {
  const node = nodeOf(given);
  if (given.cluster.devices <= node) return undefined;
  const layout = divisors(given.cluster.devices / node)
    .map((pp) => ({ ...one, tp: largestTp(given), pp }))
    .find((each) => each.pp <= given.model.layers && hasRoom(given, each));
  return layout && { devices: node * layout.pp, layout };
}

const instancesOf = ({ deployment }: ServingCase): number =>
  deployment.kind === 'aggregated'
    ? deployment.pool.instances
    : deployment.prefill.instances + deployment.decode.instances;

/** Of a mixture its experts are also shared out over all ranks of a stage. */
function waysOf({ model: { mixture } }: ServingCase, layout: ServingLayout): ServingLayout[] {
  const ranks = layout.tp * layout.cp * layout.dp;
  const isShared = mixture && layout.ep === 1 && ranks > 1 && mixture.experts % ranks === 0;
  return isShared ? [layout, { ...layout, ep: ranks }] : [layout];
}

/** What the best that follows a rule would do. */
function insteadText(given: ServingCase, layouts: readonly ServingLayout[]): string {
  const rated = layouts
    .flatMap((layout) => waysOf(given, layout))
    .flatMap((layout) => {
      const rate = given.rateOf(layout);
      return rate === undefined ? [] : [{ layout, rate }];
    });
  if (rated.length === 0) return 'none that follows it has room and keeps the targets';
  const best = rated.reduce((most, each) => (each.rate > most.rate ? each : most));
  const own = given.ownRate();
  const named = Object.entries(best.layout)
    .filter(([, size]) => size > 1)
    .map(([axis, size]) => `${axis}=${size}`)
    .join(',');
  const instances = `with instances of ${named || 'one device'}`;
  if (own === undefined) return `${instances} ${Math.round(best.rate)} tokens a second come out of a device`;
  const more = best.rate / own - 1;
  return `${instances} ${Math.abs(100 * more).toFixed(1)} % ${more > 0 ? 'more' : 'fewer'} tokens a second come out of a device`;
}
