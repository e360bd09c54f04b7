// One spoiled input a number: the files it needs in a folder of its own, and the command line that meets it.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { flagOf } from '../../src/cli/options.ts';
import { trainFields } from '../../src/train/settings.ts';
import { tinyLlama } from '../tiny-llama.ts';
import { evilWords, mutateBytes, mutateJson } from './mutate.ts';
import { createRandom, type Random } from './random.ts';

/** What all cases start from: made once, never changed. */
export interface Materials {
  readonly folder: string;
  /** A run of two steps, saved. */
  readonly run: string;
  readonly text: string;
  readonly config: string;
  readonly tokenizer: string;
}

export interface SpoiledInput {
  readonly what: string;
  readonly argv: readonly string[];
}

const base = ['--seq-len', '16', '--global-batch', '2', '--steps', '1', '--layout', 'tp=1'];

type Make = (random: Random, folder: string, materials: Materials) => SpoiledInput;

const trainOn = (materials: Materials, ...argv: readonly string[]): string[] => [
  'train',
  '--data',
  materials.text,
  '--model',
  materials.config,
  ...base,
  ...argv,
];

/** A copy of the saved run with one of its files spoiled. */
function spoiledRun(
  random: Random,
  folder: string,
  { run }: Materials,
): { readonly path: string; readonly file: string } {
  const path = join(folder, 'run');
  cpSync(run, path, { recursive: true });
  const file = random.pick(readdirSync(path).filter((name) => name.endsWith('.json') || name.endsWith('.safetensors')));
  const before = readFileSync(join(path, file));
  const after =
    file.endsWith('.json') && random.below(3) > 0 ? mutateJson(before.toString(), random) : mutateBytes(before, random);
  writeFileSync(join(path, file), after);
  return { path, file };
}

/** The notes of the run inside the index, spoiled. */
function spoiledNotes(random: Random, folder: string, { run }: Materials): string {
  const path = join(folder, 'run');
  cpSync(run, path, { recursive: true });
  const index = join(path, 'model.safetensors.index.json');
  const json = JSON.parse(readFileSync(index, 'utf8')) as { metadata: { fivefold: string } };
  json.metadata.fivefold = mutateJson(json.metadata.fivefold, random);
  writeFileSync(index, JSON.stringify(json));
  return path;
}

const makers: readonly Make[] = [
  (random, folder, materials) => {
    const config = join(folder, 'config.json');
    writeFileSync(config, mutateJson(JSON.stringify(tinyLlama), random));
    return { what: 'config.json', argv: trainOn(materials, '--model', config) };
  },
  (random, folder, materials) => {
    const config = join(folder, 'run.json');
    writeFileSync(config, mutateJson(readFileSync(join(materials.run, 'run.json'), 'utf8'), random));
    return { what: 'run.json', argv: ['train', '--config', config, '--steps', '1'] };
  },
  (random, folder, materials) => {
    const { path, file } = spoiledRun(random, folder, materials);
    return { what: `resume, ${file.replace(/-\d.*/, '')}`, argv: ['train', '--resume', path, '--steps', '3'] };
  },
  (random, folder, materials) => {
    const path = spoiledNotes(random, folder, materials);
    return { what: 'resume, notes of the run', argv: ['train', '--resume', path, '--steps', '3'] };
  },
  (random, folder, materials) => {
    const { path, file } = spoiledRun(random, folder, materials);
    const argv = ['generate', '--model', path, '--prompt', 'What', '--max-tokens', '2'];
    return { what: `generate, ${file.replace(/-\d.*/, '')}`, argv };
  },
  (random, folder, materials) => {
    const tokenizer = join(folder, 'tokenizer.json');
    const before = readFileSync(materials.tokenizer, 'utf8');
    writeFileSync(tokenizer, random.below(2) ? mutateJson(before, random) : mutateBytes(Buffer.from(before), random));
    const argv = trainOn(materials, '--tokenizer', tokenizer, '--set', 'vocab_size=320');
    return { what: 'tokenizer.json', argv };
  },
  (random, folder, materials) => {
    const name = random.pick(['data.txt', 'data.jsonl', 'data.i32.bin', 'data.u16.bin', 'data.bin', '.hidden', 'data']);
    const lines = Array.from({ length: 40 }, (_, i) => JSON.stringify({ text: `line ${i} of some text` })).join('\n');
    const before = Buffer.from(name.endsWith('.jsonl') ? lines : readFileSync(materials.text));
    writeFileSync(join(folder, name), mutateBytes(before, random));
    return { what: 'data', argv: trainOn(materials, '--data', random.below(2) ? folder : join(folder, name)) };
  },
  (random, _, materials) => {
    const keys = Object.keys(trainFields).filter((key) => key !== 'out' && key !== 'resume' && key !== 'trace');
    const words = Array.from({ length: 1 + random.below(3) }, () => [
      flagOf(random.pick(keys)),
      ...(random.below(8) === 0 ? [] : [random.pick(evilWords)]),
    ]).flat();
    return { what: 'options of train', argv: trainOn(materials, ...words) };
  },
  (random, _, materials) => {
    const flags = ['--prompt', '--max-tokens', '--temperature', '--top-k', '--top-p', '--stop', '--layout', '--seed'];
    const words = [random.pick(flags), random.pick(evilWords)];
    const argv = ['generate', '--model', materials.run, '--prompt', 'What', '--max-tokens', '2', ...words];
    return { what: 'options of generate', argv };
  },
  (random, _, materials) => {
    const parts = [
      'tp',
      'pp',
      'dp',
      'cp',
      'ep',
      'sp',
      'schedule',
      'stages',
      'zero',
      'x',
      '',
      'constructor',
      '__proto__',
    ];
    const values = [
      '1',
      '2',
      '4',
      '3',
      '0',
      '-1',
      '',
      '1e9',
      '99999999999999999999',
      '1+1',
      'gpipe',
      '1f1b',
      'on',
      'NaN',
    ];
    const layout = Array.from({ length: 1 + random.below(3) }, () => `${random.pick(parts)}=${random.pick(values)}`);
    return { what: 'layout', argv: trainOn(materials, '--layout', layout.join(random.pick([',', ',,', ' , ', ';']))) };
  },
];

/** The spoiled input of this number; `folder` is empty before, and the case's own. */
export function spoiledInput(seed: number, number: number, folder: string, materials: Materials): SpoiledInput {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const random = createRandom(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  return makers[number % makers.length]!(random, folder, materials);
}
