// A machine that was measured, from the file that `calibrate --local` writes.
import { z } from 'zod';
import { fail } from '../../errors.ts';
import { countedOps } from '../../mesh/traffic.ts';
import type { Cluster } from './cluster.ts';
import { measuredCluster } from './measured-cluster.ts';
import { type MeasuredMachine, productNames } from './measured-machine.ts';

const seconds = z.number().nonnegative().max(1e6);
const count = z.number().int().positive();
const costs = z.array(seconds).min(2).max(10);
const byName = <const Name extends string>(names: readonly Name[], value: z.ZodType) =>
  z.strictObject(Object.fromEntries(names.map((name) => [name, value])));

const file = z.strictObject({
  measured: z.literal('machine'),
  title: z
    .string()
    .max(200)
    .regex(/^\P{Cc}*$/u, 'must have no control characters'),
  cores: count.max(4096),
  memoryBytes: z.number().positive(),
  kernels: z.strictObject({
    products: byName(productNames, costs),
    memory: z.record(z.string(), costs),
    others: costs,
  }),
  alone: z.number().positive().max(100),
  pace: z.array(z.tuple([seconds, z.number().min(1).max(1000)])).min(1),
  turns: z.number().positive().max(100),
  talk: z.array(
    z.strictObject({ ranks: count, seconds: byName(countedOps, z.array(z.tuple([count, seconds])).min(2)) }),
  ),
  /** Of its cores; all when not given. */
  ranks: count.optional(),
});

/** What the file holds of a machine. */
export const measuredJson = (machine: MeasuredMachine, ranks?: number): object => ({
  measured: 'machine',
  ...machine,
  ...(ranks === undefined ? {} : { ranks }),
});

/** Whether a parsed file is of a machine that was measured. */
export const isMeasured = (json: unknown): boolean =>
  typeof json === 'object' && json !== null && (json as { measured?: unknown }).measured === 'machine';

/** @throws CLUSTER_INVALID */
export function parseMeasured(
  json: unknown,
  path: string,
): { readonly machine: MeasuredMachine; readonly ranks: number } {
  const result = file.safeParse(json);
  if (!result.success) {
    const [{ path: keys, message }] = result.error.issues as [z.core.$ZodIssue];
    return fail('CLUSTER_INVALID', {
      cluster: path,
      problem: `${keys.length > 0 ? `${keys.join('.')}: ` : ''}${message}`,
      fix: 'measure the machine again: fivefold calibrate --local',
    });
  }
  const { ranks, measured: _, ...machine } = result.data;
  return { machine: machine as unknown as MeasuredMachine, ranks: ranks ?? machine.cores };
}

/** @throws CLUSTER_INVALID */
export function parseMeasuredFile(json: unknown, path: string): Cluster {
  const { machine, ranks } = parseMeasured(json, path);
  return measuredCluster(machine, ranks, ranks === 1 ? 'local' : `${ranks}xlocal`);
}
