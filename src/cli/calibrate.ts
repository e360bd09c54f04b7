// The command that measures this machine for predictions of runs on it: `fivefold calibrate --local`.
import type { Command } from 'commander';
import type { MeasuredMachine } from '../plan/hardware/measured-machine.ts';
import { calibrate } from '../train/calibration/calibrate.ts';
import { refuse } from '../train/refuse.ts';
import { formatBytes, formatFlopsPerSecond } from '../units.ts';
import { calibrateByRuns } from './calibrate-runs.ts';
import { type CliIo, throwIfStopped, writeJson, writeLine } from './io.ts';
import { checkKept, keepMachine, machineFile } from './machine-file.ts';
import { addOptions, type OptionValues } from './options.ts';
import { createProgress } from './ui/progress.ts';

type CalibrateOption = 'local' | 'machine' | 'json' | 'debug';

export function addCalibrate(program: Command, io: CliIo): void {
  const command = program
    .command('calibrate')
    .description(
      "measure this machine, or learn a cluster's constants from its own runs, for predictions of runs there",
    )
    .argument('[csv...]', 'tables of runs on the cluster');
  const read = addOptions(command, {
    local: '',
    machine: 'with --local in the home folder, for --cluster local',
    json: '',
    debug: '',
  });
  command.addHelpText(
    'after',
    `
Examples:
  $ fivefold calibrate --local
  $ fivefold calibrate runs.csv --out my-cluster.json
  $ fivefold predict --cluster 2xlocal --model llama-medium --layout tp=2 --seq-len 512 --global-batch 8

Steps of small models are timed node by node on all cores, and calls between ranks by length: half a minute, in which nothing else should run. Then
--cluster local (all cores), 2xlocal or the file stand for this machine, and train says beforehand how long a step takes.
With tables of training (\`accuracy --help\` says what is in them) constants of the cluster are fitted to its runs: by how much products, memory,
links of a node and the network take longer than is expected. One run says something, ten say more. The software of most of the runs is kept with them. The file stands for the cluster in --cluster.

With --json, one line: the file; of tables {"runs", "calibration", "software", "meanError": {"before", "after", "leaveOneOut"}, "file"}.`,
  );
  command.action((tables: string[]) => runCalibrate(tables, read(), io));
}

async function runCalibrate(
  tables: readonly string[],
  { local, machine: given, json }: OptionValues<CalibrateOption>,
  io: CliIo,
): Promise<void> {
  if (tables.length > 0) {
    if (local) refuse('local', 'tables are of other machines', 'give one of the two');
    await calibrateByRuns(tables, { out: given as string | undefined, json: json === true }, io);
    return;
  }
  if (!local)
    refuse('local', 'it is missing', 'say what is measured: fivefold calibrate --local, or name tables of runs');
  const path = (given as string | undefined) ?? machineFile();
  checkKept(path);
  const machine = await measure(json === true, io);
  keepMachine(machine, path);
  if (json) writeJson(io.stdout, { file: path, ...machine });
  else for (const line of told(machine, path)) writeLine(io.stdout, line);
}

async function measure(quiet: boolean, io: CliIo): Promise<MeasuredMachine> {
  let progress: ReturnType<typeof createProgress> | undefined;
  try {
    return await calibrate({
      signal: io.signal,
      onProgress({ done, total }) {
        if (quiet) return;
        progress ??= createProgress({ total, label: 'measure', stream: io.stderr });
        progress.update({ step: Math.floor(done) });
      },
    });
  } catch (error) {
    throwIfStopped(io);
    throw error;
  } finally {
    progress?.stop();
  }
}

function told({ title, cores, kernels, alone, talk }: MeasuredMachine, path: string): string[] {
  const [, multiplyAdd] = kernels.products.product as [number, number];
  const [, byte] = kernels.others as [number, number];
  const longest = talk[0]?.seconds.send.at(-1);
  return [
    `${cores} cores of ${title}: products at ${formatFlopsPerSecond(2 / multiplyAdd)} each, other kernels at ${formatBytes(1 / byte)}/s on average`,
    ...(longest ? [`messages between ranks: ${formatBytes(longest[0] / longest[1])}/s`] : []),
    ...(cores > 1 ? [`a rank alone takes ${alone.toFixed(2)} of the time that each takes while all cores work`] : []),
    `kept in ${path}`,
  ];
}
