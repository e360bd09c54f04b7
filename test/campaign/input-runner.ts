// A process that meets spoiled inputs one after the other and says how each ended; whoever started it watches the clock.
import { join } from 'node:path';
import { run } from '../cli-fixture.ts';
import { type Materials, spoiledInput } from './inputs.ts';

export interface Ending {
  readonly number: number;
  readonly what: string;
  readonly argv: readonly string[];
  readonly exit: number;
  readonly lines: number;
  readonly stderr: string;
  readonly seconds: number;
}

const { seed, first, end, materials, folder } = JSON.parse(process.argv[2]!) as {
  readonly seed: number;
  readonly first: number;
  readonly end: number;
  readonly materials: Materials;
  readonly folder: string;
};

for (let number = first; number < end; number++) {
  const { what, argv } = spoiledInput(seed, number, join(folder, 'case'), materials);
  process.stdout.write(`${JSON.stringify({ begins: number, what, argv })}\n`);
  const start = performance.now();
  const { exit, stderr } = await run(...argv);
  const ending: Ending = {
    number,
    what,
    argv: argv.map((word) => word.slice(0, 80)),
    exit,
    lines: stderr.split('\n').length - 1,
    stderr: stderr.slice(0, 400),
    seconds: (performance.now() - start) / 1000,
  };
  process.stdout.write(`${JSON.stringify(ending)}\n`);
}
process.exit(0);
