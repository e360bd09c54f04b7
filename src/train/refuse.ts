// A setting of a run that cannot be as it was given.
import { fail, option } from '../errors.ts';

/** @throws OPTION_INVALID */
export function refuse(key: string, problem: string, fix: string): never {
  return fail('OPTION_INVALID', { option: option(key), problem, fix });
}
