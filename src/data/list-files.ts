// From the paths a user names to the files to read: folders are walked, and what is no text in them is left out and counted.

import { closeSync, fstatSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type AbortSignalLike, throwIfAborted } from '../abort-signal.ts';
import { fail, option } from '../errors.ts';
import { notRegular, openRegular, type Refusal, readUpTo, refusalOf } from '../files/regular-file.ts';
import type { SkipCounter, SkipReason } from './skipped.ts';
import { notTextFix, textProblem, wholeCharacters } from './text.ts';
import { tokenTypeOf } from './token-file.ts';

/** A file and its size in bytes when it was listed. */
export interface DataFile {
  readonly path: string;
  readonly bytes: number;
  /** Given by its own name and not found in a folder: then it is refused, and not left out, when it is no text. */
  readonly named: boolean;
}

/** Their names and sizes are held in memory, a few hundred bytes each. */
const mostFiles = 2_000_000;
/** Of a file in a folder this much must be text for it to be listed; the rest is looked at while it is read. */
const headBytes = 1 << 16;
/** Files after which the process looks at its signals again. */
const filesAtATime = 64;

const readFix = 'give text files, .jsonl files with a "text" field, folders of them, or .u16.bin/.i32.bin token files';

/** Ends with DATA_MISSING for this file. */
export function missing(path: string, { problem, fix = readFix }: Pick<Refusal, 'problem' | 'fix'>): never {
  return fail('DATA_MISSING', { path, problem, fix });
}

/**
 * The files meant by these paths. A folder gives its text and token files at any depth in sorted order, without what is
 * named node_modules or starts with a dot, and without folders of models; links are followed, to each folder once. What else it holds goes to `skipped`.
 * @throws DATA_MISSING for a path that is not there, cannot be read or is neither file nor folder, OPTION_INVALID for a .bin
 * that does not say what it holds, RUN_ABORTED
 */
export async function listDataFiles(
  paths: readonly string[],
  skipped: SkipCounter,
  signal?: AbortSignalLike,
): Promise<DataFile[]> {
  const files: DataFile[] = [];
  for (const path of paths) {
    const found = lookAt(path);
    if (found.kind === 'folder') await addFolder(path, { files, skipped, signal, seen: new Set(), top: path });
    else {
      if (found.kind === 'refused') missing(path, found.refusal);
      const none = tokenTypeOf(path) === undefined ? whyNotText(path) : undefined;
      if (none) missing(path, none.refusal);
      files.push({ path, bytes: found.bytes, named: true });
    }
  }
  return files;
}

/** Why a file is left out of a folder, or refused where it was given by name. */
interface Refused {
  readonly kind: 'refused';
  readonly reason: SkipReason;
  readonly refusal: Refusal;
}

type Found = { readonly kind: 'folder' } | { readonly kind: 'file'; readonly bytes: number } | Refused;

const refused = (reason: SkipReason, refusal: Refusal): Refused => ({ kind: 'refused', reason, refusal });

function lookAt(path: string): Found {
  try {
    const info = statSync(path);
    if (info.isDirectory()) return { kind: 'folder' };
    const refusal = notRegular(info);
    return refusal ? refused('notRegular', refusal) : { kind: 'file', bytes: info.size };
  } catch (error) {
    return refused('unreadable', refusalOf(error));
  }
}

interface Walk {
  readonly files: DataFile[];
  readonly skipped: SkipCounter;
  readonly signal: AbortSignalLike | undefined;
  /** Real paths of the folders walked so far. */
  readonly seen: Set<string>;
  /** The folder that was named. */
  readonly top: string;
}

async function addFolder(folder: string, walk: Walk): Promise<void> {
  const { files, skipped, signal, seen, top } = walk;
  let names: string[];
  try {
    const real = realpathSync(folder);
    if (seen.has(real)) {
      skipped.add('repeated', folder);
      return;
    }
    seen.add(real);
    names = readdirSync(folder).filter((name) => !name.startsWith('.') && name !== 'node_modules');
  } catch (error) {
    if (folder === top) missing(folder, refusalOf(error));
    skipped.add('unreadable', folder);
    return;
  }
  // A run that saves among its data would else read itself when it goes on.
  if (folder !== top && holdsModel(names)) {
    skipped.add('model', folder);
    return;
  }
  names.sort();
  for (const [index, name] of names.entries()) {
    if (index % filesAtATime === 0) await setImmediate();
    throwIfAborted(signal);
    const path = join(folder, name);
    const found = lookAt(path);
    if (found.kind === 'folder') {
      await addFolder(path, walk);
      continue;
    }
    const none = found.kind === 'refused' ? found : isTokenFile(path) ? undefined : whyNotText(path);
    if (none) skipped.add(none.reason, path);
    else if (found.kind === 'file') files.push({ path, bytes: found.bytes, named: false });
    if (files.length > mostFiles)
      fail('OPTION_INVALID', {
        option: `${option('data')} ${top}`,
        problem: `it holds more than ${mostFiles} files`,
        fix: 'put their texts into .jsonl files, one a line',
      });
  }
}

/** Its texts are settings and figures, and most of it is weights. */
const holdsModel = (names: readonly string[]): boolean =>
  names.some((name) => modelNames.test(name)) || (names.includes('run.json') && names.includes('metrics.jsonl'));
const modelNames = /\.safetensors(\.index\.json)?$/;

const isTokenFile = (path: string): boolean => /\.(u16|i32)\.bin$/.test(path);

/** What a regular file's name and first bytes have against its being text. */
function whyNotText(path: string): Refused | undefined {
  const notText = (problem: string): Refused => refused('notText', { problem, code: 'NOT_TEXT', fix: notTextFix });
  // Of a .bin that does not say how wide its tokens are, nobody knows what it is: weights, for instance.
  if (path.endsWith('.bin')) return notText('its name does not say what it holds');
  const fd = openRegular(path, (refusal) =>
    refused(refusal.code === 'NOT_REGULAR' ? 'notRegular' : 'unreadable', refusal),
  );
  if (typeof fd !== 'number') return fd;
  try {
    const head = readUpTo(fd, Math.min(headBytes, fstatSync(fd).size));
    const problem = textProblem(head.subarray(0, wholeCharacters(head)));
    return problem === undefined ? undefined : notText(problem);
  } catch (error) {
    return refused('unreadable', refusalOf(error));
  } finally {
    closeSync(fd);
  }
}
