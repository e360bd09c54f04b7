// The lines that plan --json writes, read back: each checked.
import { z } from 'zod';
import { fail } from '../errors.ts';
import { readWhole } from '../files/regular-file.ts';

export interface PlanLines {
  readonly path: string;
  /** Two at least; the last says what was asked. */
  readonly count: number;
  /** @throws PLAN_INVALID for a line that is none of that kind */
  readonly read: <T>(schema: z.ZodType<T>, at: number) => T;
  readonly invalid: (problem: string, fix?: string) => never;
  readonly isServing: boolean;
}

/** More than any plan. */
const maxPlanBytes = 2 ** 24;
const servingLine = z.object({ asked: z.object({ serve: z.literal(true) }) });

/** @throws PLAN_INVALID for what plan has not written */
export function readPlanLines(path: string): PlanLines {
  const invalid = (problem: string, fix = 'give what fivefold plan --json has written, all of it'): never =>
    fail('PLAN_INVALID', { path, problem, fix });
  const bytes = readWhole(path, maxPlanBytes, ({ problem, fix }) => invalid(problem, fix));
  const lines = bytes.toString('utf8').split(/\r?\n/);
  while (lines.at(-1) === '') lines.pop();
  if (lines.length < 2) invalid('it has fewer than the two lines of the shortest plan');
  const isServing = servingLine.safeParse(jsonOf(lines.at(-1)!)).success;
  const read = <T>(schema: z.ZodType<T>, at: number): T => {
    const result = schema.safeParse(jsonOf(lines[at]!));
    if (result.success) return result.data;
    const { path: keys, message } = result.error.issues[0]!;
    const where = keys.length > 0 ? ` (${keys.join('.')}: ${message})` : '';
    return invalid(`line ${at + 1} is none of a plan of ${isServing ? 'serving' : 'training'}${where}`);
  };
  return { path, count: lines.length, read, invalid, isServing };
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
