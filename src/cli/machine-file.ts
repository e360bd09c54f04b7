// Where this machine's measurements are kept: a file of the user's, for predictions of runs here.
import { accessSync, constants, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fail } from '../errors.ts';
import { maxBytes, readJson } from '../files/json-file.ts';
import { sweepBeside, temporaryBeside } from '../files/owned-names.ts';
import { errorCode, reasonOf } from '../files/system-errors.ts';
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
export const checkKept = (path: string): void =>
  writing(path, () => {
    mkdirSync(dirname(path), { recursive: true });
    accessSync(existsSync(path) ? path : dirname(path), constants.W_OK);
  });

/** Whole or not at all. @throws OUT_UNWRITABLE */
export const keepMachine = (machine: MeasuredMachine, path: string): void =>
  writing(path, () => {
    sweepBeside(path);
    const beside = temporaryBeside(path);
    writeFileSync(beside, `${JSON.stringify(measuredJson(machine), null, 1)}\n`);
    renameSync(beside, path);
  });

function writing(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    fail('OUT_UNWRITABLE', { path, problem: reasonOf(code), fix: 'name a file that can be written' });
  }
}
