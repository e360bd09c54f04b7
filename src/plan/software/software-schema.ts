// How software differs from a tuned stack of today, as a file has it.
import { z } from 'zod';
import type { SoftwareChange } from './frameworks.ts';
import { currentSoftware, offloadedParts, pipelineOrders, ways } from './software.ts';

const shapeOf = (key: string) => {
  if (key === 'pipelines') return z.array(z.enum(pipelineOrders));
  if (key === 'offloads') return z.array(z.enum(offloadedParts));
  return Object.hasOwn(ways, key) ? z.enum(ways[key as keyof typeof ways]) : z.boolean();
};

const flags = Object.keys(currentSoftware).map((key) => [key, shapeOf(key).optional()]);

export const softwareSchema = z.strictObject(Object.fromEntries(flags)) as z.ZodType<SoftwareChange>;
