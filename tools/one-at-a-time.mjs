// Lets one process at a time do something; the others wait for it. A file names who does it, and one that has died is passed over.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

const pollMilliseconds = 50;

/** Runs `work` while the file `lock` is this process's. */
export async function oneAtATime(lock, work) {
  while (!taken(lock)) {
    const owner = ownerOf(lock);
    if (owner !== undefined && !isAlive(owner)) passOver(lock, owner);
    else await setTimeout(pollMilliseconds);
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Makes the lock, complete from the first instant that others can see it; false if it is there already. */
function taken(lock) {
  const own = `${lock}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, lock);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(own);
  }
}

/** undefined: nobody any more. */
function ownerOf(lock) {
  try {
    return Number(readFileSync(lock, 'utf8'));
  } catch {
    return undefined;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Removes the lock if it still is that owner's: several may try at once, and one of them wins. */
function passOver(lock, owner) {
  const aside = `${lock}.${process.pid}`;
  try {
    renameSync(lock, aside);
  } catch {
    return;
  }
  if (ownerOf(aside) === owner) rmSync(aside);
  else renameSync(aside, lock);
}
