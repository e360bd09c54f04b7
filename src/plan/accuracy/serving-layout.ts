// How a row of a serving table lies on its devices: from columns of sizes, or from words.
import type { ModelConfig } from '../../model/config.ts';
import type { Deployment, Pool, ServingLayout } from '../serving/scenario.ts';
import { numberIn, type Row } from './table.ts';

type Prefix = '' | 'prefill_' | 'decode_';

/** Devices that one instance can be spread over: those of a rack whose links are all alike, or of a node. */
const reachOf = (row: Row): number => (/^gb/i.test(row.system ?? row.gpu ?? '') ? 72 : 8);

/** Devices of the nodes that so many are in. */
export function wholeNodes(row: Row, devices: number): number {
  const reach = reachOf(row);
  return devices > reach ? reach * Math.ceil(devices / reach) : devices;
}

/**
 * The layout that columns give. Where tp is the product of what experts are split by and one instance would be greater than
 * what links reach, ranks of experts have been counted twice: it is as great as one of the two. The same with attention data parallelism that
 * is as wide as tp.
 */
function columnLayout(row: Row, prefix: Prefix): ServingLayout | string {
  const read = (name: string): number => Math.max(1, numberIn(row, `${prefix}${name}`) ?? 1);
  if (numberIn(row, `${prefix}tp_size`) === undefined) return 'it does not say how the model is laid out';
  const [tp, pp, dp, ep] = [read('tp_size'), read('pp_size'), read('attention_dp_size'), read('moe_ep_size')];
  const expertTp = read('moe_tp_size');
  if (tp * dp === expertTp * ep && dp > 1 && dp === tp) return { tp: 1, pp, dp, cp: 1, ep: dp };
  if (dp === 1 && expertTp === ep && ep > 1 && tp === ep * expertTp && tp > 4) return { tp: ep, pp, dp: 1, cp: 1, ep };
  const reach = reachOf(row);
  if (tp * dp * pp > reach) return `an instance of ${tp * dp * pp} devices is more than the ${reach} that links join`;
  if (expertTp * ep !== tp * dp && expertTp * ep !== 1)
    return `its experts are over ${expertTp * ep} of ${tp * dp} devices`;
  return { tp, pp, dp, cp: 1, ep: expertTp * ep === tp * dp ? ep : 1 };
}

/** `TP8`, `TP4 PP2`, and `DEP8`: attention of requests of its own on each of 8 devices, which share experts out. */
export function writtenLayout(text: string): ServingLayout | string {
  const size = (name: string): number => Number(new RegExp(`\\b${name}(\\d+)`).exec(text)?.[1] ?? 1);
  const one = { tp: 1, pp: size('PP'), cp: 1, dp: 1, ep: 1 };
  if (/\bDEP\d/.test(text)) return { ...one, dp: size('DEP'), ep: size('DEP') };
  if (/\bTEP\d/.test(text)) return { ...one, tp: size('TEP'), ep: size('TEP') };
  if (/\b[TP]P\d/.test(text)) return { ...one, tp: size('TP'), ep: size('EP') };
  return 'it does not say how the model is laid out';
}

/** What the model cannot be cut by. */
export function misfit({ heads, mixture }: ModelConfig, { tp, cp, dp, ep }: ServingLayout): string | undefined {
  if (heads % tp > 0) return `tp=${tp} does not divide ${heads} heads`;
  if (mixture && mixture.experts % ep > 0) return `ep=${ep} does not divide ${mixture.experts} experts`;
  return ep > tp * cp * dp ? `ep=${ep} is more than the ${tp * cp * dp} ranks of a stage` : undefined;
}

export function columnDeployment(row: Row): Deployment | string {
  if (row.mode !== 'disagg') {
    const layout = columnLayout(row, '');
    return typeof layout === 'string' ? layout : { kind: 'aggregated', pool: { layout, instances: 1 } };
  }
  const pool = (prefix: Prefix): Pool | string => {
    const instances = numberIn(row, `${prefix}num_workers`) ?? 0;
    if (instances < 1) return 'it does not say how many instances read prompts, and how many write';
    const layout = columnLayout(row, prefix);
    return typeof layout === 'string' ? layout : { layout, instances };
  };
  const prefill = pool('prefill_');
  if (typeof prefill === 'string') return prefill;
  const decode = pool('decode_');
  return typeof decode === 'string' ? decode : { kind: 'disaggregated', prefill, decode };
}

export const poolsOf = (deployment: Deployment): readonly Pool[] =>
  deployment.kind === 'aggregated' ? [deployment.pool] : [deployment.prefill, deployment.decode];

export const devicesOf = (deployment: Deployment): number =>
  poolsOf(deployment).reduce(
    (sum, { layout: { tp, pp, cp, dp }, instances }) => sum + tp * pp * cp * dp * instances,
    0,
  );
