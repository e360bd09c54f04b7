// Clusters from a JSON file: devices of the catalogue or of one's own, and the tiers of links that join them.
//
// { "name": "ours", "devices": [{ "count": 16, "device": "h100" }],
//   "tiers": [{ "name": "node", "link": "nvlink-4", "devices": 8, "bytesPerSecond": 450e9, "reducesInSwitches": true },
//             { "name": "network", "link": "roce", "devices": 16, "bytesPerSecond": 25e9 }] }
import { z } from 'zod';
import { fail } from '../../errors.ts';
import { softwareSchema } from '../software/software-schema.ts';
import { type Calibration, calibrationSchema } from './calibration.ts';
import { deviceOf } from './catalogue/devices.ts';
import type { Cluster, Tier } from './cluster.ts';
import { architectures, type Device } from './device.ts';
import { hopSeconds, linkKinds } from './link.ts';
import { type ProductRate, productRates } from './number-format.ts';

const positive = z.number().positive().max(1e21);
const count = z
  .number()
  .int()
  .positive()
  .max(2 ** 21);
/** Names are shown as they are: without what terminals obey. */
const label = z
  .string()
  .min(1)
  .max(200)
  .regex(/^\P{Cc}*$/u, 'must have no control characters');

const rates = z.strictObject(
  Object.fromEntries(productRates.map((rate) => [rate, positive.optional()])) as Record<
    ProductRate,
    z.ZodOptional<typeof positive>
  >,
);

const deviceFields = {
  name: label,
  title: label,
  architecture: z.enum(architectures),
  memoryBytes: positive,
  memoryBytesPerSecond: positive,
  flopsPerSecond: rates,
  multiprocessors: count,
  cacheBytes: positive,
  watts: positive,
  dollarsPerHour: z.number().nonnegative().max(1e6),
  hostBytesPerSecond: positive,
  source: label,
};

/** A device by name; one of the catalogue with some figures of its own; or all figures. */
const ownDevice = z.strictObject({ ...deviceFields, dollarsPerHour: deviceFields.dollarsPerHour.optional() });
const changedDevice = z.strictObject({ like: label, ...ownDevice.partial().shape, name: label });

const tier = z.strictObject({
  name: label,
  link: z.enum(linkKinds),
  devices: count,
  bytesPerSecond: positive,
  latencySeconds: z.number().nonnegative().max(1).optional(),
  reducesInSwitches: z.boolean().optional(),
  source: label.optional(),
});

/** Of a node: memory of its processors, and how many devices share it. */
const host = z.strictObject({ memoryBytes: positive, memoryBytesPerSecond: positive, devices: count });

const file = z.strictObject({
  name: label,
  devices: z
    .array(z.strictObject({ count, device: z.union([label, z.looseObject({})]) }))
    .min(1)
    .max(1000),
  tiers: z.array(tier).min(1).max(10),
  host: host.optional(),
  calibration: calibrationSchema.optional(),
  software: softwareSchema.optional(),
});

/**
 * The cluster that a parsed JSON file describes; `path` is for messages.
 * Throws CLUSTER_INVALID for what is missing, unknown or contradicts itself, DEVICE_UNKNOWN for a device that the catalogue has not.
 */
export function parseClusterFile(json: unknown, path: string): Cluster {
  const described = checked(file, json, path, []);
  const { source: _, ...calibration } = described.calibration ?? {};
  const kinds = new Map<string, Device>();
  /** Groups that say the same are of one kind. */
  const kindOf = (device: string | object, index: number): Device => {
    const key = JSON.stringify(device);
    const kind = kinds.get(key) ?? {
      ...parseDevice(device, path, index),
      ...(described.calibration ? { calibration: calibration as Calibration } : {}),
    };
    kinds.set(key, kind);
    return kind;
  };
  const groups = described.devices.map(({ count, device }, i) => ({ device: kindOf(device, i), devices: count }));
  const tiers = described.tiers.map(
    ({ latencySeconds, source, ...rest }): Tier => ({
      ...rest,
      latencySeconds: latencySeconds ?? hopSeconds[rest.link],
      source: source ?? path,
    }),
  );
  const devices = groups.reduce((sum, group) => sum + group.devices, 0);
  checkNesting(tiers, devices, path);
  const [{ device }, ...others] = groups as [(typeof groups)[number], ...typeof groups];
  return {
    name: described.name,
    device,
    devices,
    tiers,
    ...(described.host ? { host: { ...described.host, source: path } } : {}),
    ...(described.software ? { software: described.software } : {}),
    ...(others.length > 0 ? { others } : {}),
  };
}

function parseDevice(given: string | object, path: string, index: number): Device {
  if (typeof given === 'string') return deviceOf(given);
  const at = ['devices', index, 'device'];
  if (!('like' in given)) return checked(ownDevice, given, path, at);
  const { like, ...own } = checked(changedDevice, given, path, at);
  const base = deviceOf(like);
  return {
    ...base,
    ...own,
    title: own.title ?? own.name,
    flopsPerSecond: { ...base.flopsPerSecond, ...own.flopsPerSecond },
    source: own.source ?? `${path}, and for what it does not say ${base.source}`,
  };
}

/** The file of a cluster of alike devices of the catalogue, with what was found of it. */
export const clusterFileJson = (
  { name, device, devices, tiers, software }: Cluster,
  calibration: Calibration,
  source: string,
) => ({
  name,
  devices: [{ count: devices, device: device.name }],
  tiers,
  calibration: { ...calibration, source },
  ...(software ? { software } : {}),
});

/** Every tier is made of whole ones of the tier before, is no faster, and the last joins all devices. */
function checkNesting(tiers: readonly Tier[], devices: number, path: string): void {
  for (const [i, outer] of tiers.entries()) {
    const inner = tiers[i - 1];
    if (!inner) continue;
    const names = `tier "${outer.name}" of ${outer.devices} devices`;
    if (outer.devices <= inner.devices || outer.devices % inner.devices !== 0)
      refuse(
        path,
        `${names} is not made of whole "${inner.name}" of ${inner.devices}`,
        `list tiers from the innermost, each with a multiple of the devices of the one before`,
      );
    if (outer.bytesPerSecond > inner.bytesPerSecond)
      refuse(
        path,
        `${names} is faster (${outer.bytesPerSecond} bytes/s) than "${inner.name}" within it (${inner.bytesPerSecond})`,
        'give rates of one device, one direction, all at once; or leave the inner tier out',
      );
  }
  const last = tiers.at(-1)!;
  if (last.devices !== devices)
    refuse(
      path,
      `its devices are ${devices} and its last tier "${last.name}" joins ${last.devices}`,
      `give the last tier ${devices} devices`,
    );
}

function checked<T extends z.ZodType>(schema: T, json: unknown, path: string, at: readonly PropertyKey[]): z.infer<T> {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const place = [...at, ...issue.path].map(String).join('.');
  return refuse(path, `${place ? `${place}: ` : ''}${issue.message}`, 'correct it, or name a cluster like 1024xh100');
}

const refuse = (cluster: string, problem: string, fix: string): never =>
  fail('CLUSTER_INVALID', { cluster, problem, fix });
