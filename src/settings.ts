// What a setting may be, and how a wrong one is refused: the same rules for a call of the library, a file and the command line.
import { z } from 'zod';
import { fail, option } from './errors.ts';
import { cpModes, type Layout, scheduleNames } from './mesh/layout.ts';
import { type Axis, axes } from './mesh/mesh.ts';
import { recomputePolicies } from './mesh/recompute.ts';

/** A setting's schema. Its rule says in words what is allowed (`a whole number of at least 1`), its example what to try. */
export const ruled = <T extends z.ZodType>(schema: T, rule: string, example?: string): T =>
  schema.meta({ rule, ...(example === undefined ? {} : { example }) });

/** A whole number in [least, most]; every size has a bound. */
export const whole = (least: number, most: number, example = Math.max(1, least)): z.ZodNumber =>
  ruled(z.int().min(least).max(most), `a whole number from ${least} to ${most}`, `${example}`);

/** A finite number; `above` excludes the bound itself. */
export function real(
  range: { readonly least: number; readonly most?: number } | { readonly above: number; readonly most?: number },
  example: number,
): z.ZodNumber {
  const { most } = range;
  const low = 'above' in range ? z.number().gt(range.above) : z.number().min(range.least);
  const from = 'above' in range ? `above ${range.above}` : `of at least ${range.least}`;
  const between = 'above' in range ? `${from} and at most ${most}` : `from ${range.least} to ${most}`;
  const allowed = most === undefined ? low : low.max(most);
  return ruled(allowed, `a number ${most === undefined ? from : between}`, `${example}`);
}

export const text = (what: string): z.ZodString => ruled(z.string().min(1), what);

export const oneOf = <const T extends readonly string[]>(...names: T) =>
  ruled(z.enum(names), `one of ${names.join(', ')}`, names.join(' or '));

export const list = <T extends z.ZodType>(each: T, rule: string, example?: string) =>
  ruled(z.array(each).min(1), rule, example);

export const toggle = ruled(z.boolean(), 'true or false');

const layoutRule = 'a layout, such as tp=2,pp=2';
const size = z.int().min(1);
const layerIndex = z.int().min(0);

/** What a caller of the library may give besides plain settings: objects and functions of its own. */
export const callFields = {
  model: ruled(
    z.custom<string | object>(
      (value) => (typeof value === 'string' && value !== '') || (isObject(value) && isObject(value.config)),
    ),
    'a preset, a config.json, a checkpoint directory or a model',
  ),
  layout: ruled(
    z.union([
      z.string().min(1),
      z
        .strictObject({
          ...(Object.fromEntries(axes.map((axis) => [axis, size])) as Record<Axis, typeof size>),
          sp: z.boolean(),
          cpMode: z.enum(cpModes),
          schedule: z.enum(scheduleNames),
          scheduleFile: z.strictObject({ path: z.string().min(1), text: z.string() }).optional(),
          virtual: size,
          zero: z.literal([0, 1, 2, 3]),
          recompute: z.strictObject({
            policy: z.enum(recomputePolicies),
            layers: z.array(z.tuple([layerIndex, layerIndex])).optional(),
          }),
          stages: z.array(size).optional(),
        } satisfies Record<keyof Layout, z.ZodType>)
        .refine(({ schedule, scheduleFile }) => (schedule === 'file') === (scheduleFile !== undefined)),
    ]),
    layoutRule,
  ),
  recorderDir: text('a folder'),
  pool: ruled(
    z.custom<object>((value) => isObject(value) && 'take' in value && 'give' in value),
    'a pool',
  ),
  signal: ruled(
    z.custom<object>((value) => isObject(value) && 'addEventListener' in value),
    'an AbortSignal',
  ),
} as const;

export const callback = ruled(
  z.custom<(...values: never[]) => void>((value) => typeof value === 'function'),
  'a function',
);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** Settings by key: a schema each. */
export type Fields = Readonly<Record<string, z.ZodType>>;

/** Values of some settings; what was not given is undefined or absent. */
export type Given<F extends Fields> = { readonly [K in keyof F]?: z.infer<F[K]> | undefined };

/** What a caller who checks no types gave as options; nothing may be given. @throws OPTION_INVALID */
export function checkObject(options: unknown): void {
  if (options !== undefined && !isObject(options))
    fail('OPTION_INVALID', {
      option: 'options',
      problem: `${shown(options)} is no object`,
      fix: 'give an object of settings',
    });
}

/**
 * The given settings, each checked by its schema.
 * @throws OPTION_INVALID for the first that is unknown or not what its rule says
 */
export function checkSettings<F extends Fields>(fields: F, given: Readonly<Record<string, unknown>>): Given<F> {
  const checked: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const field = Object.hasOwn(fields, key) ? fields[key]! : unknownSetting(key, Object.keys(fields));
    const result = field.safeParse(value);
    if (!result.success) refuse(key, value, field);
    checked[key] = result.data;
  }
  return checked as Given<F>;
}

function refuse(key: string, value: unknown, field: z.ZodType): never {
  const { rule, example } = (field.meta() ?? {}) as { rule?: string; example?: string };
  return fail('OPTION_INVALID', {
    option: option(key),
    problem: `${shown(value)} is not ${rule ?? 'allowed'}`,
    fix: example === undefined ? `give ${rule ?? 'another value'}` : `use ${option(key)} ${example}`,
  });
}

const longestShown = 60;

/** A value as a person would write it, cut when it is long. */
function shown(value: unknown): string {
  const written = typeof value === 'number' ? `${value}` : (JSON.stringify(value) ?? String(value));
  return written.length > longestShown ? `${written.slice(0, longestShown)}...` : written;
}

function unknownSetting(key: string, known: readonly string[]): never {
  const near = known.filter((name) => name.toLowerCase().startsWith(key.slice(0, 3).toLowerCase()));
  return fail('OPTION_INVALID', {
    option: option(key),
    problem: 'there is no such setting',
    fix: `use one of ${(near.length > 0 ? near : known).map(option).join(', ')}`,
  });
}
