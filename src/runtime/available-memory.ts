// How much memory this process may still take on this machine, what it holds already included.
import { readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';

/**
 * The smallest of what the machine has available, the limit of the control group (containers) and the limits of the process
 * (ulimit -v, -d).
 */
export function availableMemory(): number {
  return Math.min(machineBytes() + process.memoryUsage.rss(), process.constrainedMemory() || Infinity, limitBytes());
}

/**
 * On Linux and Windows `freemem` counts caches that give way as free. Elsewhere (macOS) it counts unused pages alone, of which
 * a machine at work has next to none, so all memory counts: a run is refused only when it can never fit.
 */
const machineBytes = (): number => (['linux', 'win32'].includes(process.platform) ? freemem() : totalmem());

/** The limits on address space and data of this process; both hold for resident memory too. */
function limitBytes(): number {
  if (process.platform !== 'linux') return Infinity;
  let text: string;
  try {
    text = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    // Without /proc there is no way to ask: the limit then stops the run later.
    return Infinity;
  }
  return parseLimits(text);
}

/** The smaller soft limit of a /proc/<pid>/limits. */
export function parseLimits(text: string): number {
  const limits = [...text.matchAll(/^Max (?:address space|data size) +(\d+)/gm)].map(([, bytes]) => Number(bytes));
  return Math.min(Infinity, ...limits);
}
