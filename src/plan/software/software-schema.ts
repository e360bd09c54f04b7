// How software differs from a tuned stack of today, as a file has it.
import { z } from 'zod';
import type { SoftwareChange } from './frameworks.ts';
import { currentSoftware, ways } from './software.ts';

const flags = Object.keys(currentSoftware).map((key) => [
  key,
  (Object.hasOwn(ways, key) ? z.enum(ways[key as keyof typeof ways]) : z.boolean()).optional(),
]);

export const softwareSchema = z.strictObject(Object.fromEntries(flags)) as z.ZodType<SoftwareChange>;
