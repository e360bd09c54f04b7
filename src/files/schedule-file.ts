// The file that a layout names with schedule=file:<path>.
import { isUtf8 } from 'node:buffer';
import { fail } from '../errors.ts';
import { withoutMark } from './json-file.ts';
import { type Refusal, readWhole } from './regular-file.ts';

/** Some hundred thousand pieces of work. */
const mostBytes = 1 << 21;

/** Its text, for `parseLayout`. @throws SCHEDULE_FILE */
export function readScheduleFile(path: string, fix = 'give a file that fivefold describe printed'): string {
  const refuse = (refusal: Pick<Refusal, 'problem' | 'fix'>): never => fail('SCHEDULE_FILE', { path, fix, ...refusal });
  const bytes = readWhole(path, mostBytes, refuse);
  return isUtf8(bytes) ? withoutMark(bytes.toString('utf8')) : refuse({ problem: 'it is not UTF-8 text' });
}
