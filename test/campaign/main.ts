// Attacks the program for some minutes, from a seed: spoiled inputs, kills in saves and of ranks, worlds that fail. `npm run campaign` writes what
// came of it into docs/reliability.md.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeWorkplace } from '../cli-fixture.ts';
import { failWorlds, type Held } from '../leaks.ts';
import type { Materials } from './inputs.ts';
import { killRuns } from './kills.ts';
import { loseRanks, runsToLose } from './lose-ranks.ts';
import { type PartReport, writePage } from './page.ts';
import { createRandom } from './random.ts';
import { makeMaterials, spoilInputs } from './spoil-inputs.ts';

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const every = (step: number, what: string, all: number) => (done: number) => {
  if (done % step === 0) say(`${what}: ${done} of ${all}`);
};
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
const held = ({ residentBytes, nativeBytes, descriptors }: Held): string =>
  `${megabytes(residentBytes)} resident, ${megabytes(nativeBytes)} native, ${descriptors} descriptors`;

/** Between worlds it goes up and down by less; worlds that release nothing leave more than this each. */
const mostGrowth = 32e6;

interface Part {
  readonly name: string;
  /** How many, if the command line does not say. */
  readonly usual: number;
  run(count: number, at: { readonly materials: Materials; readonly folder: string }): Promise<Outcome>;
}
type Outcome = Pick<PartReport, 'result' | 'wrong'>;

const parts: readonly Part[] = [
  {
    name: 'spoiled inputs',
    usual: 2200,
    async run(cases, { materials, folder }) {
      const spoiled = await spoilInputs({ seed, cases, materials, folder, onProgress: every(200, this.name, cases) });
      return {
        result: `${spoiled.cases}: ${spoiled.refused} refused in one line with exit 2, ${spoiled.accepted} accepted with exit 0, ${spoiled.diverged} ran into numbers that are none (exit 1); the slowest took ${spoiled.slowestSeconds.toFixed(1)} s`,
        wrong: spoiled.wrong,
      };
    },
  },
  {
    name: 'kills while saving after every step',
    usual: 40,
    async run(kills, { materials, folder }) {
      const random = createRandom(seed);
      const killed = await killRuns({ random, kills, materials, folder, onProgress: every(10, this.name, kills) });
      return {
        result: `${killed.kills}: ${killed.withCheckpoint} left a checkpoint, ${killed.withCheckpoint - killed.wrong.length} of them went on bit for bit as if nothing had happened; the others left none, and no torn one`,
        wrong: killed.wrong,
      };
    },
  },
  {
    name: 'failing and aborted worlds',
    usual: 50,
    async run(count) {
      const { after5: early, afterAll: late } = await failWorlds({ count, seed });
      const grown = late.residentBytes - early.residentBytes;
      return {
        result: `${count}: after the fifth ${held(early)}; after the last ${held(late)}`,
        wrong: [
          ...(late.descriptors > early.descriptors ? ['worlds leave descriptors open'] : []),
          ...(grown > mostGrowth ? [`worlds leave ${megabytes(grown)} of memory`] : []),
        ],
      };
    },
  },
  {
    name: 'kills of ranks and of the process',
    usual: 100,
    async run(kills, { materials, folder }) {
      const lost = await loseRanks({
        ...{ random: createRandom(seed), kills, steps: 200, data: materials.text, folder },
        onProgress: every(10, this.name, kills),
      });
      const layouts = new Set(runsToLose.map(({ layout }) => `\`${layout}\``));
      return {
        result: `${lost.ranks} ranks and ${lost.processes} processes killed (${lost.crashes} more died with a rank) in ${lost.runs} runs of 200 steps with --restart (${[...layouts].join(', ')}; ${runsToLose.filter((run) => 'syncEvery' in run).length} of them with --sync-every), at any moment: ${lost.runs - lost.wrong.length} of them ended with the weights and moments of a run that nothing happened to, in f64, bit for bit, with nothing done but giving the same command again`,
        wrong: lost.wrong,
      };
    },
  },
];

/** `npm run campaign -- <seed> <a count for each part>`: each has a usual one, 0 leaves the part out. All together take about half an hour. */
const [seed = 1, ...counts] = process.argv.slice(2).map(Number);

const folder = mkdtempSync(join(tmpdir(), 'fivefold-campaign-'));
const place = makeWorkplace();
const reports: PartReport[] = [];
try {
  mkdirSync(join(folder, 'made'));
  const materials = await makeMaterials(join(folder, 'made'), place.path);
  for (const [index, part] of parts.entries()) {
    const count = counts[index] ?? part.usual;
    if (count === 0) continue;
    const start = performance.now();
    const outcome = await part.run(count, { materials, folder });
    const command = `npm run campaign -- ${[seed, ...parts.map((_, i) => (i === index ? count : 0))].join(' ')}`;
    reports.push({ name: part.name, command, seconds: (performance.now() - start) / 1000, ...outcome });
    say(`${part.name}: ${outcome.result}\n${outcome.wrong.map((line) => `WRONG: ${line}\n`).join('')}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
  place.remove();
}
const names = parts.map(({ name }) => name);
writePage(reports, names);
process.exit(reports.every(({ wrong }) => wrong.length === 0) ? 0 : 1);
