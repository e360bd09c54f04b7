// CHECKPOINT_BROKEN: a file that does not hold what it must, told in words or by the first complaint of a schema.
import type * as z from 'zod';
import { fail } from '../errors.ts';

/** Ends with CHECKPOINT_BROKEN for this file. */
export function broken(path: string, problem: string, fix = 'copy or download the file again'): never {
  return fail('CHECKPOINT_BROKEN', { path, problem, fix });
}

/** `value` as the schema has it; CHECKPOINT_BROKEN names the first field that violates it. `what` says what of the file it is. */
export function parsedAs<S extends z.ZodType>(path: string, schema: S, value: unknown, what: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.map((key) => shown(String(key))).join('.');
  return broken(path, `${field ? `${what}: ${field}` : what}: ${issue?.message}`);
}

const mostShown = 200;

/** A name from a file as a message may hold it: on one line, of bounded length. */
export function shown(name: string): string {
  const line = JSON.stringify(name).slice(1, -1);
  return line.length > mostShown ? `${line.slice(0, mostShown)}...` : line;
}

/** Whether a name may be a tensor's or a file's: short and without control characters. */
export const isPlainName = (name: string): boolean =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  name.length > 0 && name.length <= 512 && !/[\u0000-\u001f\u007f-\u009f]/.test(name);
