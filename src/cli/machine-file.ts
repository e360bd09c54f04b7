// Where this machine's measurements are kept: a file of the user's, for predictions of runs here.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fail } from '../errors.ts';
import { maxBytes, readJson } from '../files/json-file.ts';
import { sweepBeside, temporaryBeside } from '../files/owned-names.ts';
import { checkWritable, refusing } from '../files/writable-file.ts';
import { measuredJson, parseMeasured } from '../plan/hardware/measured-file.ts';
import type { MeasuredMachine } from '../plan/hardware/measured-machine.ts';

export const machineFile = (): string => join(homedir(), '.cache', 'fivefold', 'machine.json');

/** `2xlocal`: two of the cores; `local`: all of them. */
const form = /^(?:(\d+)x)?local$/i;

export const isLocal = (name: string): boolean => form.test(name);

/** What is kept of this machine, and how many of its cores a cluster's name says. @throws CLUSTER_INVALID where it was not measured */
export function localSource(name: string): unknown {
  const [, ranks] = form.exec(name) ?? [];
  const path = machineFile();
  const json = readJson(path, maxBytes.config, ({ problem, code }) =>
    fail('CLUSTER_INVALID', {
      cluster: name,
      problem: code === 'ENOENT' ? 'this machine has not been measured' : `${path}: ${problem}`,
      fix: 'run fivefold calibrate --local',
    }),
  );
  const { machine } = parseMeasured(json, path);
  return measuredJson(machine, ranks === undefined ? undefined : Number(ranks));
}

/** The machine as it was measured last; undefined where it was not, or what is kept cannot be read. */
export function lastMeasured(): MeasuredMachine | undefined {
  const json = readJson(machineFile(), maxBytes.config, () => undefined);
  try {
    return json === undefined ? undefined : parseMeasured(json, machineFile()).machine;
  } catch {
    return undefined;
  }
}

/** Before any work: that a file can be written there. @throws OUT_UNWRITABLE */
export function checkKept(path: string): void {
  refusing(() => mkdirSync(dirname(path), { recursive: true }), unwritable(path));
  checkWritable(path, unwritable(path));
}

/** Whole or not at all. @throws OUT_UNWRITABLE */
export const keepMachine = (machine: MeasuredMachine, path: string): void => keepJson(measuredJson(machine), path);

/** Whole or not at all. @throws OUT_UNWRITABLE */
export const keepJson = (json: object, path: string): void =>
  refusing(() => {
    sweepBeside(path);
    const beside = temporaryBeside(path);
    writeFileSync(beside, `${JSON.stringify(json, null, 1)}\n`);
    renameSync(beside, path);
  }, unwritable(path));

const unwritable =
  (path: string) =>
  (problem: string): never =>
    fail('OUT_UNWRITABLE', { path, problem, fix: 'name a file that can be written' });
