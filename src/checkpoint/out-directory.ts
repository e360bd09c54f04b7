// Whether a run may save into a directory.
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fail } from '../errors.ts';
import { holderOf } from './claim.ts';
import { configName, indexName, singleName, tokenizerName } from './index-file.ts';
import { writingTo } from './out-files.ts';
import { isStepFile } from './plan.ts';

/**
 * Checks, and leaves nothing behind, that a run may save into `out`: no other run writes into it, it holds no other run or model and
 * can be written. `resume` is the checkpoint the run goes on from, if any: its own directory may be saved into.
 * @throws OUT_BUSY, OUT_EXISTS, OUT_UNWRITABLE
 */
export function checkOut(out: string, options: { readonly resume?: string | undefined } = {}): void {
  writingTo(out, () => {
    const existing = nearestExisting(resolve(out));
    if (!statSync(existing).isDirectory()) {
      fail('OUT_UNWRITABLE', { path: out, problem: `${existing} is a file, not a directory` });
    }
    if (existing === resolve(out)) {
      const holder = holderOf(out);
      if (holder !== undefined) fail('OUT_BUSY', { path: out, holder });
      checkFree(out, options);
    }
    // Asking for permission is not enough: only making something tells about quotas, read-only mounts, ACLs and /proc.
    rmdirSync(mkdtempSync(join(existing, '.fivefold-')));
  });
}

/**
 * Checks that the directory `out` holds no run but the one gone on with: again once it is claimed, as another run may have come and gone.
 * @throws OUT_EXISTS
 */
export function checkFree(out: string, { resume }: { readonly resume?: string | undefined }): void {
  if (!holdsRun(out)) return;
  const own = resume !== undefined && existsSync(resume) && samePath(resume, out);
  // Beside an index of ours, a plain model.safetensors would go on being what transformers loads.
  if (!own || existsSync(join(out, singleName))) fail('OUT_EXISTS', { path: out });
}

/** Whether a checkpoint is committed there, or a model of others lies there. */
export const holdsWeights = (out: string): boolean =>
  [indexName, singleName].some((name) => existsSync(join(out, name)));

const samePath = (a: string, b: string): boolean => realpathSync(a) === realpathSync(b);

function nearestExisting(path: string): string {
  for (let at = path; ; at = dirname(at)) {
    if (existsSync(at) || dirname(at) === at) return at;
  }
}

// A first save that was cut off leaves step files, and perhaps a config.json and tokenizer.json, but no index: that is no run yet.
function holdsRun(out: string): boolean {
  if (holdsWeights(out)) return true;
  const names = readdirSync(out);
  return (names.includes(configName) || names.includes(tokenizerName)) && !names.some(isStepFile);
}
