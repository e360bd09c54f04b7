// Changes to a config.json from a command line: `hidden_size=384`, `rope_scaling.factor=8`.
import type { z } from 'zod';
import { fail, option } from '../errors.ts';
import { familyOf } from './families.ts';
import { isDropout } from './keys.ts';
import { ropeSchema } from './rope.ts';

type Json = Readonly<Record<string, unknown>>;

/** Keys with keys of their own. */
const nested: ReadonlyMap<string, z.ZodObject> = new Map([
  ['rope_scaling', ropeSchema],
  ['rope_parameters', ropeSchema],
]);

/**
 * A config.json with settings changed, each `key=value` or `key.key=value`: keys that the family reads, or dropouts, values as
 * JSON writes them (text may go without quotes). Whether the whole makes a model is for parseModelConfig to say.
 * @throws OPTION_INVALID naming the setting; FAMILY_UNSUPPORTED or CONFIG_INVALID for the config.json itself
 */
export function overrideConfig(json: unknown, settings: readonly string[]): Json {
  const { schema } = familyOf(json, 'config.json');
  return settings.reduce((changed, setting) => override(changed, setting, schema), json as Json);
}

function override(json: Json, setting: string, schema: z.ZodObject): Json {
  const refuse = (problem: string, fix: string): never =>
    fail('OPTION_INVALID', { option: `${option('set')} ${setting}`, problem, fix });
  const equals = setting.indexOf('=');
  if (equals < 1) refuse('it is no key=value', 'write it like hidden_size=384');
  const [key = '', inner, ...more] = setting.slice(0, equals).split('.');
  const value = scalar(setting.slice(equals + 1)) ?? null;
  if (typeof value === 'object' && value !== null)
    refuse('a list or an object cannot be set', 'set one number, text, true, false or null');

  const checkKey = (name: string, allowed: z.ZodObject, what: string) => {
    const known = Object.keys(allowed.shape).filter((each) => each !== 'model_type');
    if (!known.includes(name)) refuse(`${what} has no setting "${name}"`, `use one of ${known.join(', ')}`);
    const result = (allowed.shape[name] as z.ZodType).safeParse(value);
    if (!result.success) refuse(result.error.issues[0]!.message, 'give a value that the model can have');
  };
  if (inner === undefined) {
    if (!isDropout(key)) checkKey(key, schema, `a ${String(json.model_type)} config`);
    return { ...json, [key]: value };
  }
  const innerSchema = nested.get(key);
  if (more.length > 0 || !innerSchema || !Object.hasOwn(schema.shape, key))
    return refuse(
      `"${setting.slice(0, equals)}" is no setting in a setting`,
      `use ${[...nested.keys()].map((each) => `${each}.factor`).join(' or ')}`,
    );
  checkKey(inner, innerSchema, key);
  return { ...json, [key]: { ...(json[key] as object | null | undefined), [inner]: value } };
}

/** A value as JSON writes it, or the text itself. */
function scalar(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
