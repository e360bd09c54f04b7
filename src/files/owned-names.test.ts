// What a killed run left behind goes with the next run; what a living one uses stays.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import { typescript } from '../../test/typescript.ts';
import { ownerTag, sweep, sweepBeside, temporaryBeside } from './owned-names.ts';

const folder = temporaryFolder('sweep');

const program = fileURLToPath(new URL('../../test/temporary-program.ts', import.meta.url));

/** A run in `folder` that has made its temporary things. */
async function start(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [...typescript, program], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

/** Names of a process. */
const of = (child: ChildProcess) => readdirSync(folder).filter((name) => name.includes(`-${child.pid}-`));

test('a run removes what a killed one left, and nothing of one that lives', async () => {
  const [living, killed] = await Promise.all([start(), start()]);
  try {
    await kill(killed);
    expect(of(killed).sort()).toEqual([
      expect.stringMatching(/^fivefold-[0-9a-f]{8}-/),
      expect.stringMatching(/^tokens\.i32\.bin\.[0-9a-f]{8}-\d+-\d+\.tmp$/),
    ]);
    const next = await start();
    expect(of(killed)).toEqual([]);
    expect([of(living).length, of(next).length]).toEqual([2, 2]);
    await kill(next);
  } finally {
    await kill(living);
  }
});

test('what cannot be judged stays', () => {
  const file = join(folder, 'trace.json');
  const [place, pid, start] = ownerTag.split('-') as [string, string, string];
  const names = [
    `${file}.${place}-${pid}-${Number(start) + 1}.tmp`, // the number of a living process, but not that process
    temporaryBeside(file), // our own
    `${file}.00000000-${pid}-1.tmp`, // another machine's
    `${file}.tmp`, // nobody's
    `${file}.${place}-0-1.tmp`, // of no number that a process can have
    `${file}.${place}-99999999999-1.tmp`,
    `${file}l.${place}-${pid}-1.tmp`, // beside another file
  ];
  for (const name of names) writeFileSync(name, '');
  sweepBeside(file);
  expect(names.map((name) => readdirSync(folder).includes(name.slice(folder.length + 1)))).toEqual([
    process.platform !== 'linux',
    true,
    true,
    true,
    true,
    true,
    true,
  ]);
});

test.runIf(process.platform === 'linux')('what is kept for a while goes when it is old enough', () => {
  const [place, pid] = ownerTag.split('-');
  const [young, old] = [1, 2].map((start) => join(folder, `kept-${place}-${pid}-${start}`)) as [string, string];
  for (const path of [young, old]) writeFileSync(path, '');
  utimesSync(old, 1, 1);
  sweep(folder, 'kept-', 3600_000);
  expect(readdirSync(folder).filter((name) => name.startsWith('kept-'))).toEqual([young.slice(folder.length + 1)]);
});
