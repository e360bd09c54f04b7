// A second signal ends the program, even one whose thread is blocked and will never hear of the first.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { typescript } from './typescript.ts';

const program = fileURLToPath(new URL('./deaf-program.ts', import.meta.url));

/** Whether a process has a handler of its own for a signal: the mask that Linux shows of it. */
function catches(pid: number, signal: number): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return (BigInt(`0x${mask}`) & (1n << BigInt(signal - 1))) !== 0n;
}

test.runIf(process.platform === 'linux').each([
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const)('the second %s ends a process that is blocked', async (name, number) => {
  const child = spawn(process.execPath, [...typescript, program]);
  const closed = once(child, 'close');
  try {
    await once(child.stdout, 'data');
    const pid = child.pid!;
    expect(catches(pid, number)).toBe(true);
    child.kill(name);
    // Delivered, and not heard: from here on the kernel answers.
    while (catches(pid, number)) await new Promise(setImmediate);
    expect(child.exitCode ?? child.signalCode).toBeNull();
    child.kill(name);
    expect(await closed).toEqual([null, name]);
  } finally {
    child.kill('SIGKILL');
  }
});
