// The directory a run saves into: whether it may be used, and what it holds.
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fail } from '../errors.ts';
import { errorCode, partialSuffix, reasonOf } from './files.ts';
import { type CheckpointIndex, configName, indexName, singleName, tokenizerName } from './index-file.ts';
import { isStepFile } from './plan.ts';

/** Runs `write`; what the system refuses ends with OUT_UNWRITABLE. */
export function writingTo<T>(out: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    const code = errorCode(error);
    if (!code) throw error;
    return fail('OUT_UNWRITABLE', { path: out, problem: reasonOf(code) });
  }
}

/**
 * Checks, and leaves nothing behind, that a run may save into `out`: it holds no other run or model and can be written.
 * `resume` is the checkpoint the run goes on from, if any: its own directory may be saved into.
 * @throws OUT_EXISTS, OUT_UNWRITABLE
 */
export function checkOut(out: string, options: { readonly resume?: string | undefined } = {}): void {
  writingTo(out, () => {
    const existing = nearestExisting(resolve(out));
    if (!statSync(existing).isDirectory()) {
      fail('OUT_UNWRITABLE', { path: out, problem: `${existing} is a file, not a directory` });
    }
    if (existing === resolve(out) && holdsRun(out)) {
      const own = options.resume !== undefined && existsSync(options.resume) && samePath(options.resume, out);
      // Beside an index of ours, a plain model.safetensors would go on being what transformers loads.
      if (!own || existsSync(join(out, singleName))) fail('OUT_EXISTS', { path: out });
    }
    // Asking for permission is not enough: only making something tells about quotas, read-only mounts, ACLs and /proc.
    rmdirSync(mkdtempSync(join(existing, '.fivefold-')));
  });
}

const samePath = (a: string, b: string): boolean => realpathSync(a) === realpathSync(b);

function nearestExisting(path: string): string {
  for (let at = path; ; at = dirname(at)) {
    if (existsSync(at) || dirname(at) === at) return at;
  }
}

// A first save that was cut off leaves step files, and perhaps a config.json and tokenizer.json, but no index: that is no run yet.
function holdsRun(out: string): boolean {
  const names = readdirSync(out);
  if (names.includes(indexName) || names.includes(singleName)) return true;
  return (names.includes(configName) || names.includes(tokenizerName)) && !names.some(isStepFile);
}

/** The files that an index stands for. */
export const committedFiles = (index: CheckpointIndex | undefined): string[] =>
  index ? [...new Set([...Object.values(index.weightMap), ...index.optimizerFiles])] : [];

/**
 * The names in `out` that saves made and no committed checkpoint uses. The texts of a first save that was cut off come before its
 * step files, by which they are known.
 */
export function leftovers(out: string, index: CheckpointIndex | undefined): string[] {
  const keep = new Set(committedFiles(index));
  const names = readdirSync(out);
  const steps = names.filter((name) => isStepFile(name) && !keep.has(name));
  const partial = [indexName, configName, tokenizerName].map((name) => name + partialSuffix);
  const texts = !index && steps.length > 0 ? [configName, tokenizerName] : [];
  return [...texts, ...partial].filter((name) => names.includes(name)).concat(steps);
}
