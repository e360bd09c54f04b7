// One directory, one run: claimed by real processes, given back, left by killed ones, and never had by two.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, test } from 'vitest';
import { makeFifo } from '../../test/odd-files.ts';
import { typescript } from '../../test/typescript.ts';
import { FivefoldError } from '../errors.ts';
import { ownerTag } from '../files/owned-names.ts';
import { claimOut, silenceSeconds } from './claim.ts';
import { checkOut } from './out-directory.ts';

const root = mkdtempSync(join(tmpdir(), 'fivefold-claim-'));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(root, { recursive: true });
});

const lock = (out: string) => join(out, '.fivefold-lock');

// Claims when told to, says how it went, and stays until it is told to let go or is killed.
const claimer = `
import { claimOut } from ${JSON.stringify(new URL('./claim.ts', import.meta.url))};
import { createInterface } from 'node:readline';
let claim;
console.log('ready');
for await (const line of createInterface(process.stdin)) {
  const [word, out] = line.split(' ');
  try {
    if (word === 'claim') claim = claimOut(out);
    else if (word === 'release') claim.release();
    else process.exit();
    console.log('ok');
  } catch (error) {
    console.log(error.code ?? error.stack.replaceAll('\\n', ' '));
  }
}`;

/** A process that claims: `ask` gives its answer. */
async function startClaimer() {
  const child = spawn(process.execPath, [...typescript, '--input-type=module', '-e', claimer], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async () => String((await lines.next()).value);
  expect(await next()).toBe('ready');
  return {
    child,
    ask: (words: string) => {
      child.stdin.write(`${words}\n`);
      return next();
    },
    kill: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

function errorOf(act: () => unknown): FivefoldError {
  try {
    act();
  } catch (error) {
    if (error instanceof FivefoldError) return error;
    throw error;
  }
  throw new Error('no error');
}

test('the second run is told at once who writes there, and may when that one has ended, however it has', async () => {
  const out = join(root, 'one', 'run');
  const [first, second] = await Promise.all([startClaimer(), startClaimer()]);
  expect(await first.ask(`claim ${out}`)).toBe('ok');
  expect(await second.ask(`claim ${out}`)).toBe('OUT_BUSY');
  // Before anything is prepared, too.
  const busy = errorOf(() => checkOut(out));
  expect(busy).toMatchObject({ code: 'OUT_BUSY', exit: 2 });
  expect(busy.message).toMatch(
    new RegExp(
      `run is being written by process ${first.child.pid} since \\d\\d:\\d\\d; wait for it, or choose another out$`,
    ),
  );

  expect(await first.ask('release')).toBe('ok');
  // A run that left nothing leaves no directory.
  expect(existsSync(join(root, 'one'))).toBe(false);
  expect(await second.ask(`claim ${out}`)).toBe('ok');
  expect(await first.ask(`claim ${out}`)).toBe('OUT_BUSY');

  await second.kill();
  expect(existsSync(lock(out))).toBe(true);
  checkOut(out);
  expect(await first.ask(`claim ${out}`)).toBe('ok');
  expect(await first.ask('release')).toBe('ok');
});

test('of many processes that find a dead lock, one has it and all others are told', async () => {
  const claimers = await Promise.all(Array.from({ length: 4 }, startClaimer));
  for (let round = 0; round < 15; round++) {
    const out = join(root, `many-${round}`);
    mkdirSync(out);
    writeFileSync(lock(out), JSON.stringify({ ...ownLock(), process: { ...ownLock().process, began: '1' } }));
    const answers = await Promise.all(claimers.map(({ ask }) => ask(`claim ${out}`)));
    expect(answers.sort()).toEqual(['OUT_BUSY', 'OUT_BUSY', 'OUT_BUSY', 'ok']);
    expect(readdirSync(out)).toEqual(['.fivefold-lock']);
  }
  await Promise.all(claimers.map(({ kill }) => kill()));
});

/** What this process writes into a lock. */
function ownLock() {
  const out = mkdtempSync(join(root, 'own-'));
  const claim = claimOut(out);
  const holder = JSON.parse(readFileSync(lock(out), 'utf8'));
  claim.release();
  return holder;
}

/** Whether a directory with this lock, untouched for so long, can be claimed; nothing but the new lock is left then. */
function claimable(content: string, secondsAgo = 0): string {
  const out = mkdtempSync(join(root, 'lock-'));
  writeFileSync(lock(out), content);
  const when = Date.now() / 1000 - secondsAgo;
  utimesSync(lock(out), when, when);
  try {
    const claim = claimOut(out);
    expect(readdirSync(out)).toEqual(['.fivefold-lock']);
    claim.release();
    expect(readdirSync(out)).toEqual([]);
    return 'free';
  } catch (error) {
    expect(readdirSync(out)).toEqual(['.fivefold-lock']);
    expect(readFileSync(lock(out), 'utf8')).toBe(content);
    return error instanceof FivefoldError ? error.message.replace(/.* is being/, 'is being') : String(error);
  }
}

test('a lock counts as long as its process runs; one from elsewhere, or unreadable, as long as it is touched', () => {
  const own = ownLock();
  const with_ = (process: object) => JSON.stringify({ ...own, process: { ...own.process, ...process } });
  expect(claimable(with_({}), 1e6)).toContain(`is being written by process ${process.pid} since`);
  // Its number has gone to another process; or to nobody.
  if (process.platform === 'linux') expect(claimable(with_({ began: '1' }))).toBe('free');
  expect(claimable(with_({ pid: 2 ** 22 + 1 }))).toBe('free');

  const elsewhere = JSON.stringify({ ...own, host: 'node-7', process: { ...own.process, place: 'another' } });
  expect(claimable(elsewhere, silenceSeconds - 20)).toContain(
    `is being written by process ${process.pid} on node-7 since`,
  );
  expect(claimable(elsewhere, silenceSeconds + 20)).toBe('free');
  for (const text of ['', '{', '[]', with_({}).slice(0, 60), with_({ pid: -1 }), with_({ pid: 1e12 }), 'null']) {
    expect(claimable(text)).toContain('by a process that has just begun');
    expect(claimable(text, silenceSeconds + 20)).toBe('free');
  }
});

test.skipIf(process.platform === 'win32')('a lock that is a FIFO holds nobody up', () => {
  const out = mkdtempSync(join(root, 'fifo-'));
  makeFifo(lock(out));
  expect(() => claimOut(out)).toThrow(/just begun/);
  utimesSync(lock(out), new Date(), new Date(Date.now() - (silenceSeconds + 20) * 1000));
  claimOut(out).release();
});

test('a process that was killed while it took over a dead lock blocks nobody', () => {
  const own = ownLock();
  const out = mkdtempSync(join(root, 'chain-'));
  const dead = (token: string) => JSON.stringify({ ...own, token, process: { ...own.process, pid: 2 ** 22 + 1 } });
  const [first, second] = ['1'.repeat(16), '2'.repeat(16)];
  writeFileSync(lock(out), dead(first));
  // It had the turn to remove the first lock; its own finished file is still there, and half a one of a third.
  writeFileSync(`${lock(out)}-${first}`, dead(second));
  writeFileSync(`${lock(out)}.${second}`, dead(second));
  const claim = claimOut(out);
  expect(readdirSync(out)).toEqual(['.fivefold-lock']);
  claim.release();
});

test.runIf(process.platform === 'linux')(
  'what a dead process began to write goes at once, that of a living one stays',
  () => {
    const out = mkdtempSync(join(root, 'partial-'));
    const [place] = ownerTag.split('-');
    const living = `.fivefold-lock.${ownerTag}.${'1'.repeat(16)}.partial`;
    for (const name of [living, `.fivefold-lock.${place}-${2 ** 22 + 1}-1.${'2'.repeat(16)}.partial`])
      writeFileSync(join(out, name), '');
    const claim = claimOut(out);
    expect(readdirSync(out)).toEqual(['.fivefold-lock', living]);
    claim.release();
  },
);

test('releasing takes back only what is one’s own, and what a failed save left', () => {
  const out = mkdtempSync(join(root, 'release-'));
  const claim = claimOut(out);
  writeFileSync(join(out, 'model-step000007-00001-of-00001.safetensors'), 'half');
  writeFileSync(join(out, 'notes.txt'), 'mine');
  claim.release();
  expect(readdirSync(out)).toEqual(['notes.txt']);

  const lost = claimOut(out);
  rmSync(lock(out));
  const other = claimOut(out);
  lost.release();
  expect(existsSync(lock(out))).toBe(true);
  other.release();
});
