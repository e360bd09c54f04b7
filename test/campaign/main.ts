// Attacks the program for some minutes, from a seed: spoiled inputs, kills in saves and of ranks, worlds that fail. `npm run campaign` writes what
// came of it into docs/reliability.md.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeWorkplace } from '../cli-fixture.ts';
import { failWorlds, type Held } from '../leaks.ts';
import { killRuns } from './kills.ts';
import { loseRanks } from './lose-ranks.ts';
import { createRandom } from './random.ts';
import { makeMaterials, spoilInputs } from './spoil-inputs.ts';

/** `npm run campaign -- <seed> <spoiled inputs> <kills> <worlds> <losses>`: each has a default, and all together take about 15 minutes. */
const [seed = 1, cases = 2200, kills = 40, worlds = 50, losses = 100] = process.argv.slice(2).map(Number);

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const every = (step: number, what: string, all: number) => (done: number) => {
  if (done % step === 0) say(`${what}: ${done} of ${all}`);
};
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
const held = ({ residentBytes, nativeBytes, descriptors }: Held): string =>
  `${megabytes(residentBytes)} resident, ${megabytes(nativeBytes)} native, ${descriptors} descriptors`;

const page = fileURLToPath(new URL('../../docs/reliability.md', import.meta.url));
const marks = ['<!-- campaign -->', '<!-- /campaign -->'] as const;
const [before, rest] = readFileSync(page, 'utf8').split(marks[0]);
const after = rest?.split(marks[1])[1];
if (after === undefined) throw new Error(`${page} has no place for it: ${marks.join(' ... ')}`);

/** Between worlds it goes up and down by less; worlds that release nothing leave more than this each. */
const mostGrowth = 32e6;

const folder = mkdtempSync(join(tmpdir(), 'fivefold-campaign-'));
const place = makeWorkplace();
const begun = performance.now();
const wrong: string[] = [];
const lines: string[] = [];
try {
  mkdirSync(join(folder, 'made'));
  const materials = await makeMaterials(join(folder, 'made'), place.path);

  const spoiled = await spoilInputs({
    seed,
    cases,
    materials,
    folder,
    onProgress: every(200, 'spoiled inputs', cases),
  });
  wrong.push(...spoiled.wrong);
  lines.push(
    `${spoiled.cases} spoiled inputs: ${spoiled.refused} refused in one line with exit 2, ${spoiled.accepted} accepted with exit 0, ${spoiled.diverged} ran into numbers that are none (exit 1); the slowest took ${spoiled.slowestSeconds.toFixed(1)} s; ${spoiled.wrong.length} ended otherwise`,
  );

  const killed = await killRuns({
    random: createRandom(seed),
    kills,
    materials,
    folder,
    onProgress: every(10, 'kills', kills),
  });
  wrong.push(...killed.wrong);
  lines.push(
    `${killed.kills} kills while saving after every step: ${killed.withCheckpoint} left a checkpoint, ${killed.withCheckpoint - killed.wrong.length} of them went on bit for bit as if nothing had happened; the others left none, and no torn one`,
  );

  const lost = await loseRanks({
    random: createRandom(seed),
    kills: losses,
    steps: 200,
    model: materials.config,
    data: materials.text,
    folder,
    onProgress: every(10, 'ranks and runs ended', losses),
  });
  wrong.push(...lost.wrong);
  lines.push(
    `${lost.ranks} ranks and ${lost.processes} processes killed (${lost.crashes} more died with a rank) in ${lost.runs} runs of 200 steps with --restart, at any moment: ${lost.runs - lost.wrong.length} of them ended with the weights and moments of a run that nothing happened to, bit for bit, with nothing done but giving the same command again`,
  );

  const { after5: early, afterAll: late } = await failWorlds({ count: worlds, seed });
  lines.push(`${worlds} failing and aborted worlds: after the fifth ${held(early)}; after the last ${held(late)}`);
  if (late.descriptors > early.descriptors) wrong.push('worlds leave descriptors open');
  const grown = late.residentBytes - early.residentBytes;
  if (grown > mostGrowth) wrong.push(`worlds leave ${megabytes(grown)} of memory`);
} finally {
  rmSync(folder, { recursive: true, force: true });
  place.remove();
}

const seconds = Math.round((performance.now() - begun) / 1000);
const report = [
  `Seed ${seed}, ${seconds} s on a machine of two cores, Node ${process.versions.node}:`,
  '',
  ...lines.map((line) => `- ${line}.`),
  '',
  wrong.length === 0 ? 'Nothing was wrong, nothing hung, nothing leaked.' : `${wrong.length} wrong:`,
  ...wrong.map((line) => `- ${line}`),
].join('\n');
say(report);
writeFileSync(page, `${before}${marks[0]}\n${report}\n${marks[1]}${after}`);
process.exit(wrong.length === 0 ? 0 : 1);
