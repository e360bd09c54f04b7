// Deployments as text: `tp=2,instances=4`, or pools apart, `prefill:tp=1,instances=4/decode:tp=4,instances=1`.
import { fail, option } from '../../errors.ts';
import { largestAxis } from '../../mesh/layout.ts';
import type { ModelConfig } from '../../model/config.ts';
import { divisors } from '../../model/fit.ts';
import { devicesOf } from '../serving/instance.ts';
import type { Deployment, Pool, ServingLayout } from '../serving/scenario.ts';

const axes = ['tp', 'cp', 'ep', 'dp', 'pp'] as const satisfies readonly (keyof ServingLayout)[];
const one: ServingLayout = { tp: 1, cp: 1, ep: 1, dp: 1, pp: 1 };

/** Axes that are 1 are left out. */
export function printPool({ layout, instances }: Pool): string {
  const cut = axes.filter((axis) => layout[axis] > 1).map((axis) => `${axis}=${layout[axis]}`);
  return [...(cut.length > 0 ? cut : ['tp=1']), `instances=${instances}`].join(',');
}

export const printDeployment = (deployment: Deployment): string =>
  deployment.kind === 'aggregated'
    ? printPool(deployment.pool)
    : `prefill:${printPool(deployment.prefill)}/decode:${printPool(deployment.decode)}`;

export const deployedDevices = (deployment: Deployment): number =>
  (deployment.kind === 'aggregated' ? [deployment.pool] : [deployment.prefill, deployment.decode]).reduce(
    (sum, { layout, instances }) => sum + devicesOf(layout) * instances,
    0,
  );

/**
 * The deployment that a text names; without `instances` as many as fill the devices, or one of each pool.
 * @throws LAYOUT_SYNTAX, LAYOUT_UNKNOWN; LAYOUT_INDIVISIBLE for what does not divide the model; OPTION_INVALID for more devices than there are
 */
export function parseDeployment(text: string, model: ModelConfig, devices: number): Deployment {
  const apart = /^prefill:([^/]*)\/decode:([^/]*)$/.exec(text.trim());
  const pool = (given: string): Partial<Pool> & Pick<Pool, 'layout'> => parsePool(given, text, model);
  if (!apart && /[:/]/.test(text))
    fail('LAYOUT_SYNTAX', { text, reason: 'pools apart are prefill:<layout>/decode:<layout>' });
  const deployment: Deployment = apart
    ? {
        kind: 'disaggregated',
        prefill: { instances: 1, ...pool(apart[1]!) },
        decode: { instances: 1, ...pool(apart[2]!) },
      }
    : { kind: 'aggregated', pool: filled(pool(text), devices) };
  const used = deployedDevices(deployment);
  if (used > devices)
    fail('OPTION_INVALID', {
      option: option('layout'),
      problem: `${printDeployment(deployment)} takes ${used} devices and the cluster has ${devices}`,
      fix: 'use fewer or smaller instances, or a larger cluster',
    });
  return deployment;
}

const filled = ({ layout, instances }: Partial<Pool> & Pick<Pool, 'layout'>, devices: number): Pool => ({
  layout,
  instances: instances ?? Math.max(1, Math.floor(devices / devicesOf(layout))),
});

function parsePool(given: string, text: string, model: ModelConfig): Partial<Pool> & Pick<Pool, 'layout'> {
  const sizes: Record<string, number> = {};
  for (const part of given.split(',')) {
    const [, key, size] = /^\s*([a-z]+)\s*=\s*(\d+)\s*$/i.exec(part) ?? [];
    if (key === undefined) return fail('LAYOUT_SYNTAX', { text, reason: `"${part}" is not an axis and its size` });
    if (![...axes, 'instances'].includes(key)) return fail('LAYOUT_UNKNOWN', { key, allowed: [...axes, 'instances'] });
    const number = Number(size);
    if (number < 1 || number > largestAxis)
      return fail('LAYOUT_SYNTAX', { text, reason: `${key}=${size} is not from 1 to ${largestAxis}` });
    if (Object.hasOwn(sizes, key)) return fail('LAYOUT_SYNTAX', { text, reason: `${key} is there twice` });
    sizes[key] = number;
  }
  const { instances, ...cut } = sizes;
  const layout = { ...one, ...cut };
  checkServingLayout(layout, model);
  return { layout, ...(instances === undefined ? {} : { instances }) };
}

/** @throws LAYOUT_INDIVISIBLE, LAYOUT_STAGES */
function checkServingLayout({ tp, cp, ep, dp, pp }: ServingLayout, { heads, layers, mixture }: ModelConfig): void {
  const indivisible = (axis: string, size: number, what: string, total: number): never =>
    fail('LAYOUT_INDIVISIBLE', { axis, size, what, total, fix: `${axis}=${divisors(total).join(', ')}` });
  if (heads % tp !== 0) indivisible('tp', tp, 'the heads', heads);
  if (pp > layers) fail('LAYOUT_STAGES', { pp, layers, fix: `use pp=${layers} or fewer` });
  const ranks = tp * cp * dp;
  if (mixture) {
    if (mixture.experts % ep !== 0) indivisible('ep', ep, 'the experts', mixture.experts);
    if (ranks % ep !== 0) indivisible('ep', ep, 'the ranks of a stage, tp times cp times dp', ranks);
  } else if (ep > 1 || dp > 1)
    fail('LAYOUT_UNKNOWN', {
      key: ep > 1 ? 'ep' : 'dp',
      allowed: 'tp, cp, pp and instances: the model has no experts that ranks could share',
    });
}
