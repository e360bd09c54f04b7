// Bad input of every kind: exit status 2, one line with the reason and the fix, nothing written and nothing overwritten.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { contents, makeWorkplace, run } from '../../test/cli-fixture.ts';
import { tinyLlama } from '../../test/tiny-llama.ts';
import { claimOut } from '../checkpoint/claim.ts';

const place = makeWorkplace();
const { path } = place;
afterAll(() => place.remove());

const data = ['--data', path('text.txt')];
const small = [
  '--model',
  path('config.json'),
  '--seq-len',
  '16',
  '--global-batch',
  '4',
  '--steps',
  '2',
  '--layout',
  'tp=1',
];

beforeAll(async () => {
  const made = await run('train', ...data, ...small, '--out', path('run'), '--json');
  expect(made.stderr).toBe('');
  expect(made.exit).toBe(0);

  const weights = readdirSync(path('run')).find((name) => name.startsWith('model-'))!;
  for (const name of ['truncated', 'nan', 'nan-optimizer', 'incomplete'])
    cpSync(path('run'), path(name), { recursive: true });
  const truncated = join(path('truncated'), weights);
  truncateSync(truncated, statSync(truncated).size - 100);
  fillWithNaN(join(path('nan'), weights));
  fillWithNaN(join(path('nan-optimizer'), readdirSync(path('run')).find((name) => name.startsWith('optimizer-'))!));
  writeFileSync(
    join(path('incomplete'), 'model.safetensors.index.json'),
    '{"weight_map": {"lm_head.weight": "gone.safetensors"}}',
  );

  const { num_hidden_layers, ...rest } = tinyLlama;
  expect(num_hidden_layers).toBe(2);
  writeFileSync(path('mamba.json'), JSON.stringify({ ...tinyLlama, model_type: 'mamba2' }));
  writeFileSync(path('no-layers.json'), JSON.stringify(rest));
  writeFileSync(path('broken.json'), '{"model_type": "llama",');
  writeFileSync(path('empty.txt'), '');
  writeFileSync(
    path('two.schedule'),
    'schedule two stages=2 microbatches=2\nstage 0: F0 F1 B0 B1\nstage 1: F0 B0 F1 B1\n',
  );
  const schedule = (name: string, microbatches: number, ...stages: string[]) =>
    writeFileSync(
      path(`${name}.schedule`),
      [
        `schedule ${name} stages=2 microbatches=${microbatches}`,
        ...stages.map((work, s) => `stage ${s}: ${work}`),
      ].join('\n'),
    );
  schedule('forwards', 4, 'F0 F1 F2 F3', 'F0 F1 F2 F3');
  schedule('stuck', 4, 'F0 B0 F1 B1 F2 F3 B2 B3', 'F0 F1 B1 B0 F2 F3 B2 B3');
  writeFileSync(path('huge.schedule'), `# ${'.'.repeat(1 << 21)}\n`);
  writeFileSync(path('tokens.i32.bin'), new Int32Array(200));
  const pair = { prompt: 'Sky? ', chosen: 'Blue.', rejected: 'Green.' };
  for (const [name, second] of Object.entries({
    good: pair,
    'no-rejected': { ...pair, rejected: undefined },
    equal: { ...pair, rejected: 'Blue.' },
    'no-completion': { ...pair, chosen: '' },
    'long-prompt': { ...pair, prompt: 'Which colour has the sky? ' },
    messages: { chosen: [{ role: 'user', content: 'Sky?' }], rejected: [] },
    texts: { text: 'Sky' },
  }))
    writeFileSync(path(`${name}.pairs.jsonl`), `${JSON.stringify(pair)}\n${JSON.stringify(second)}\n`);
  writeFileSync(path('empty.jsonl'), '{"text":""}\n'.repeat(9));
  writeFileSync(path('binary.txt'), Buffer.from([0xff, 0xfe, 0x00]));
  writeFileSync(path('short.txt'), 'Too short.');
  mkdirSync(path('no-files'));
  for (const name of ['unsaved', 'killed', 'running']) mkdirSync(path(name));
  for (const name of ['run.json', 'metrics.jsonl']) cpSync(join(path('run'), name), join(path('unsaved'), name));
  writeFileSync(path('killed/.fivefold-lock'), '');
  utimesSync(path('killed/.fivefold-lock'), 1, 1);
  claimOut(path('running'));
  mkdirSync(path('only-weights'));
  cpSync(join(path('run'), weights), join(path('only-weights'), 'model.safetensors'));
  cpSync(join(path('run'), 'config.json'), join(path('only-weights'), 'config.json'));
});

/** The last tensor of a safetensors file becomes NaN (f32). */
function fillWithNaN(file: string): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, new Float32Array(4).fill(Number.NaN), 0, 16, statSync(file).size - 16);
  closeSync(fd);
}

/** Later options win over those of `small`. */
const train = (...argv: string[]): string[] => ['train', ...data, ...small, ...argv];
const mixture = (...argv: string[]): string[] => train('--model', 'mixtral-tiny', ...argv);
const resume = (dir: string, ...argv: string[]): string[] => [
  'train',
  ...data,
  '--resume',
  path(dir),
  '--steps',
  '4',
  ...argv,
];

const dpo = (name: string, ...argv: string[]): string[] => [
  'train',
  '--objective',
  'dpo',
  '--data',
  path(`${name}.pairs.jsonl`),
  ...small,
  ...argv,
];

const scheduled = (file: string): string[] =>
  train('--layout', `pp=2,schedule=file:${path(file)}`, '--micro-batch', '1');

// [what, command line, parts of the message: what was given, what is allowed, the fix]
const cases: readonly (readonly [string, readonly string[], ...string[]])[] = [
  ['unknown axis', train('--layout', 'zz=2'), '"zz"', 'use tp, cp, ep, dp, pp'],
  [
    'experts shared out that there are not',
    train('--layout', 'ep=2'),
    'the model has no experts',
    'use dp in place of ep',
  ],
  [
    'a cp mode there is not',
    train('--layout', 'cp=2,cpMode=zigzag'),
    'not "zigzag"',
    'cpMode is ring, ulysses, gather',
  ],
  [
    'a sequence that a zigzag does not divide',
    train('--layout', 'cp=4', '--seq-len', '36'),
    'cp=4 does not divide the sequence length into two pieces a rank, as ring needs, (36)',
    'use --seq-len 32 or --seq-len 40 or cpMode=ulysses',
  ],
  [
    'a sequence that cp and sp do not divide together',
    train('--layout', 'tp=4,cp=2,sp', '--seq-len', '36'),
    'the sequence length of each of cp=2 ranks, which sp cuts',
    'use --seq-len 32 or --seq-len 40',
  ],
  [
    'heads that ulysses cannot share out',
    train('--layout', 'cp=3,cpMode=ulysses', '--seq-len', '36'),
    'cp=3 does not divide the attention heads',
    'cpMode=ring',
  ],
  [
    'experts that ep does not divide',
    mixture('--layout', 'ep=3', '--global-batch', '6', '--set', 'num_local_experts=4'),
    'ep=3 does not divide the experts of a layer (4)',
    'use ep=2 or ep=4',
  ],
  [
    'more experts a token than there are',
    mixture('--set', 'num_experts_per_tok=9'),
    'num_experts_per_tok 9 is more than the 8 experts',
    'use 8 or less',
  ],
  ['experts that take nothing', mixture('--capacity', '0'), '--capacity: 0', 'above 0', 'use --capacity 1.25'],
  ['a capacity below 0', mixture('--capacity', '-1'), '--capacity: -1', 'above 0', 'use --capacity 1.25'],
  ['a capacity that is no number', mixture('--capacity', 'all'), '--capacity: "all"', 'use --capacity 1.25'],
  ['a layout that is none', train('--layout', 'tp=two'), 'tp=two', 'write it like tp=2,pp=2,dp=2'],
  ['tp that does not divide the heads', train('--layout', 'tp=3'), 'tp=3', 'attention heads (4)', 'use tp=2 or tp=4'],
  ['dp that does not divide the batch', train('--layout', 'dp=3'), 'dp=3', 'global batch (4)', 'use dp=2 or dp=4'],
  ['micro-batch that does not divide', train('--micro-batch', '3'), '--micro-batch: 3', 'use --micro-batch 2 or'],
  ['more stages than layers', train('--layout', 'pp=3'), 'pp=3 stages for 2 layers', 'use pp=2 or fewer'],
  ['longer than the positions', train('--seq-len', '65'), '65 is longer', 'use --seq-len 64 or less'],
  ['missing model', train('--model', path('gone')), 'gone', 'no such file or preset', 'llama-tiny'],
  ['a name that is nearly right', train('--model', 'llama-3-405b'), 'no such file or preset', 'such as llama-3.1-405b'],
  [
    'a model that can be planned for alone',
    train('--model', 'bloom-560m'),
    'the bloom config: the model can be planned for but not run: its attention is biased by distance',
    'use a model that runs',
  ],
  ['unsupported family', train('--model', path('mamba.json')), '"mamba2"', 'use one of', 'llama'],
  ['config.json without a size', train('--model', path('no-layers.json')), 'num_hidden_layers'],
  ['config.json that is no JSON', train('--model', path('broken.json')), 'broken.json', 'Hugging Face'],
  ['truncated checkpoint', train('--model', path('truncated'), '--out', path('new')), 'truncated', 'is broken'],
  ['NaN in a checkpoint', train('--model', path('nan'), '--out', path('new')), 'nan', 'is broken', 'NaN'],
  ['a checkpoint file that is not there', train('--model', path('incomplete')), 'gone.safetensors', 'missing files'],
  ['missing data', train('--data', path('gone.txt')), 'gone.txt', 'give text files'],
  ['empty data', ['train', '--data', path('empty.txt'), ...small], 'holds no tokens', 'give files with some text'],
  ['an empty folder', ['train', '--data', path('no-files'), ...small, '--out', path('new')], 'holds no tokens'],
  ['data that are no text', ['train', '--data', path('binary.txt'), ...small], 'not UTF-8', 'convert it'],
  [
    'data too short',
    ['train', '--data', path('short.txt'), ...small],
    '17 tokens',
    'hold 10',
    'use --seq-len 9 or less',
  ],
  ['more held out than there is', train('--held-out', '500'), `sequences in ${path('text.txt')} are held out`],
  ['no --data', ['train', ...small], '--data: it is missing', 'give text files'],
  ['an --out with a run', train('--out', path('run')), 'already holds a run', '--resume', 'another --out'],
  ['an --out below a file', train('--out', path('text.txt/out')), 'cannot write to', 'choose another --out'],
  [
    'an --out nobody can write to',
    train('--out', '/proc/fivefold'),
    'cannot write to /proc/fivefold',
    'choose another',
  ],
  ['a --trace that cannot be written', train('--trace', path('gone/trace.json')), '--trace', 'a folder that exists'],
  ['--save-every without --out', train('--save-every', '1'), '--save-every', 'add --out'],
  ['a missing tokenizer', train('--tokenizer', path('gone.json')), 'gone.json', 'tokenizer.json'],
  ['no number', train('--steps', 'many'), '--steps: "many"', 'use --steps 100'],
  ['a number out of range', train('--seed', '-1'), '--seed: -1', 'from 0 to 2097151'],
  ['a learning rate of 0', train('--lr', '0'), '--lr: 0', 'above 0'],
  ['no steps between synchronisations', train('--sync-every', '0'), '--sync-every: 0', 'a whole number from 1'],
  ['steps below 0', train('--sync-every', '-3'), '--sync-every: -3', 'a whole number from 1', 'use --sync-every 10'],
  ['half a step', train('--sync-every', '1.5'), '--sync-every: 1.5', 'a whole number from 1'],
  ['steps that are no number', train('--sync-every', 'H'), '--sync-every: "H"', 'use --sync-every 10'],
  ['one replica', train('--sync-every', '2'), '--sync-every', 'with dp=1 there is one replica', 'use --layout dp=2'],
  [
    'documents dealt out by cost to replicas that learn alone',
    train('--sync-every', '2', '--layout', 'dp=2', '--pack', 'balanced', '--steps', '2'),
    '--pack',
    'use --pack, or leave --sync-every out',
  ],
  ['--outer-lr alone', train('--outer-lr', '0.5'), '--outer-lr', 'no outer step', 'add --sync-every 10'],
  ['--outer-momentum of 1', train('--sync-every', '2', '--outer-momentum', '1'), '--outer-momentum: 1', 'below 1'],
  [
    'an end between synchronisations',
    train('--sync-every', '3', '--layout', 'dp=2'),
    '--steps: 2',
    'no multiple',
    'use --steps 3',
  ],
  [
    'ZeRO over replicas of their own',
    train('--sync-every', '2', '--layout', 'dp=2,zero=2'),
    'zero=2 shares out over dp',
    'leave zero out, or --sync-every',
  ],
  ['resume in another rhythm', resume('run', '--sync-every', '2'), '2 is not the 1', 'leave it out'],
  ['a precision that is none', train('--precision', 'f16'), '"f16"', 'use --precision f32 or f64'],
  ['resume what is not there', resume('gone'), 'gone', 'directory'],
  ['resume a truncated checkpoint', resume('truncated'), 'is broken'],
  ['resume NaN weights', resume('nan'), 'is broken', 'NaN'],
  ['resume NaN optimizer state', resume('nan-optimizer'), 'is broken', 'NaN'],
  ['resume weights alone', resume('only-weights'), 'no optimizer state', '--model'],
  ['resume a run that saved nothing', resume('unsaved'), 'no step was saved there yet; start again with --config'],
  ['resume a run that was killed at once', resume('killed'), 'no step was saved there yet; start again with --out'],
  ['resume a run that goes on', resume('running'), 'no step was saved', 'by process ', 'wait until it has saved one'],
  ['resume nothing', resume('no-files'), 'has neither model.safetensors.index.json nor model.safetensors'],
  ['resume with another seed', resume('run', '--seed', '7'), '7 is not the 0', 'leave it out'],
  ['resume with another precision', resume('run', '--precision', 'f64'), 'f64 is not the f32', 'leave it out'],
  ['resume with a model', resume('run', '--model', 'llama-tiny'), '--model', 'has its own model', 'leave it out'],
  ['resume a run that is over', resume('run', '--steps', '2'), 'has done 2 steps', 'use --steps 3 or more'],
  ['resume into another run', resume('run', '--out', path('only-weights')), 'already holds a run', 'another --out'],
  [
    'resume on shorter data',
    ['train', '--data', path('short.txt'), '--resume', path('run'), '--steps', '4'],
    'the data (10 tokens) are not those of the run',
  ],
  [
    'generate without weights',
    ['generate', '--model', 'llama-tiny', '--prompt', 'a'],
    'no weights',
    'checkpoint directory',
  ],
  [
    'generate with dp',
    ['generate', '--model', path('run'), '--prompt', 'a', '--layout', 'dp=2'],
    'dp=2',
    'tp, cp, ep and pp',
  ],
  ['generate from nothing', ['generate', '--model', path('run'), '--prompt', ''], '--prompt', 'some text'],
  ['generate from NaN', ['generate', '--model', path('nan'), '--prompt', 'a'], 'is broken', 'NaN'],
  ['generate without a model', ['generate', '--prompt', 'a'], '--model: it is missing'],
  ['generate at a negative temperature', ['generate', '--temperature', '-1'], '--temperature: -1', 'at least 0'],
  ['scale a batch that does not divide', ['scale', '--micro-batch', '3', '--global-batch', '4'], '--micro-batch: 3'],
  ['an unknown option', train('--stesp', '3'), "'--stesp'", '--steps', 'see fivefold train --help'],
  ['an option without its value', ['train', '--steps'], '--steps', 'missing', 'see fivefold train --help'],
  ['an unknown command', ['trian'], "'trian'", 'train', 'see fivefold --help'],
  [
    'a schedule that is no file',
    ['describe', '--layout', 'pp=2,schedule=file:/no/such'],
    'it does not exist',
    'describe printed',
  ],
  [
    'a schedule in a file of another kind',
    ['describe', '--layout', `pp=2,schedule=file:${path('text.txt')}`],
    'text.txt: line 1 is no header',
    'schedule 1f1b stages=4',
  ],
  [
    'a schedule for other stages',
    ['describe', '--layout', `pp=3,schedule=file:${path('two.schedule')}`],
    'it is for pp=2 and the layout has pp=3',
    'use pp=2',
  ],
  [
    'training with a schedule for another number of microbatches',
    ['train', ...data, ...small, '--layout', `pp=2,schedule=file:${path('two.schedule')}`, '--micro-batch', '1'],
    'it is for 2 microbatches and the step has 4',
    'change --global-batch or --micro-batch',
  ],
  [
    'describing a schedule for another number of microbatches',
    ['describe', '--layout', `pp=2,schedule=file:${path('two.schedule')}`, '--microbatches', '8'],
    '--microbatches: 8 are not the 2 that',
    'leave it out, or use another file',
  ],
  [
    'generating with a schedule for other stages',
    ['generate', '--model', path('run'), '--prompt', 'a', '--layout', `schedule=file:${path('two.schedule')}`],
    'it is for pp=2 and the layout has pp=1',
    'use pp=2',
  ],
  ['a schedule by the name it is printed with', train('--layout', 'pp=2,schedule=interleaved'), 'use virtual=2'],
  ['nothing to scale', ['scale', '--max-ranks', '1'], '--max-ranks: one rank is nothing to compare', '2 or more'],
  [
    'a batch that nothing can share',
    ['scale', '--axis', 'dp', '--global-batch', '1', '--max-ranks', '2'],
    'dp=2 does not divide the global batch (1); use dp=1',
  ],
  [
    'a length that sp cannot cut',
    train('--layout', 'tp=2,sp', '--seq-len', '15'),
    'tp=2 does not divide the sequence length, which sp cuts (15)',
    'use --seq-len 14 or --seq-len 16 or the layout without sp',
  ],
  ['a ZeRO stage there is none of', train('--layout', 'dp=2,zero=4'), 'zero is 0, 1, 2 or 3, not "4"'],
  ['a ZeRO stage that is no number', train('--layout', 'zero=2x'), 'zero is 0, 1, 2 or 3, not "2x"'],
  ['recomputation of a kind there is none of', train('--layout', 'recompute=some'), 'none, selective, full', '"some"'],
  ['layers to recompute, backwards', train('--layout', 'recompute=full:9-2'), '"9-2"', 'like 0-3+6'],
  [
    'layers to recompute that the model does not have',
    train('--layout', 'recompute=selective:0+1-9'),
    'there is no layer 9',
    '0 to 1',
    'use recompute=selective:0+1',
  ],
  ['recomputation of no layer there is', train('--layout', 'recompute=full:7'), 'no layer 7', 'use recompute=full'],
  ['no chunks', train('--layout', 'pp=2,virtual=0'), 'virtual needs a whole number of at least 1, not "0"'],
  [
    'zero bubble with chunks',
    train('--layout', 'pp=2,virtual=2,schedule=zb-h1'),
    'zb-h1 has one chunk',
    'leave virtual out',
  ],
  [
    'a schedule there is none of',
    train('--layout', 'pp=2,schedule=zb'),
    'gpipe, 1f1b, zb-h1, dualpipe or file:<path>',
    '"zb"',
  ],
  ['stages for a pipeline of others', train('--layout', 'pp=2,stages=1+1+1'), 'stages names 3 stages but pp=2'],
  [
    'stages for other chunks',
    train('--layout', 'pp=2,virtual=2,stages=1+1'),
    'stages names 2 stages but pp=2,virtual=2 makes 4',
  ],
  ['stages that are not the model', train('--layout', 'pp=2,stages=1+2'), 'adds up to 3', 'make it 2'],
  [
    'speeds beside another number of ranks',
    ['scale', '--speeds', '1,0.5', '--max-ranks', '4'],
    '--speeds: it cannot be compared beside --max-ranks',
    'leave one of the two out',
  ],
  ['speeds of one rank', ['scale', '--speeds', '1'], '--speeds: one rank is nothing to compare', 'several ranks'],
  [
    'speeds that are none',
    train('--speeds', 'fast'),
    '--speeds: "fast"',
    'one for each rank, or measure',
    'use --speeds',
  ],
  [
    'a speed of 0',
    train('--layout', 'dp=2', '--speeds', '1,0'),
    '--speeds: [1,0]',
    'numbers above 0',
    'use --speeds 1,0.5',
  ],
  ['a speed below 0', train('--layout', 'dp=2', '--speeds', '1,-1'), '--speeds: [1,-1]', 'numbers above 0'],
  ['a speed that is no number', train('--layout', 'dp=2', '--speeds', '1,b'), '--speeds: [1,"b"]', 'numbers above 0'],
  [
    'speeds of other ranks',
    train('--layout', 'dp=2', '--speeds', '1,1,0.5'),
    '--speeds: 3 numbers for the 2 ranks of dp=2',
    'give one for each rank, or measure',
  ],
  [
    'fewer sequences than replicas at their speeds',
    train('--layout', 'dp=3', '--speeds', '1,1,0.5', '--global-batch', '2'),
    '--global-batch: 2 sequences in microbatches of 1 are fewer than the 3 replicas',
    'use --global-batch 3 or more',
  ],
  ['a schedule in a folder', scheduled('no-files'), 'it is a directory', 'describe printed'],
  ['a schedule without an end', scheduled('huge.schedule'), 'more than the 2097152', 'describe printed'],
  ['a schedule without backwards', scheduled('forwards.schedule'), 'it has no backwards', 'another file'],
  [
    'a schedule that never ends',
    scheduled('stuck.schedule'),
    'deadlock: line 2 (stage 0), B0 waits for line 3 (stage 1), F1',
  ],
  [
    'packing tokens',
    ['train', '--data', path('tokens.i32.bin'), ...small, '--pack'],
    'tokens.i32.bin holds tokens',
    '.jsonl',
  ],
  ['packing documents of nothing', ['train', '--data', path('empty.jsonl'), ...small, '--pack'], 'holds no tokens'],
  ['an axis that scale does not have', ['scale', '--axis', 'sp'], '--axis: "sp" is not one of dp, tp, cp, ep, pp'],
  ['a pipeline that grows with its ranks', ['scale', '--axis', 'pp', '--weak'], 'only dp is scaled, not pp'],
  [
    'chunks of one stage in a file',
    ['describe', '--layout', `virtual=2,schedule=file:${path('two.schedule')}`],
    'virtual needs several stages',
    'add pp=2',
  ],
  [
    'more chunks than layers',
    ['train', ...data, ...small, '--layout', 'pp=2,virtual=2'],
    'pp=2,virtual=2 stages for 2 layers',
    'leave virtual out',
  ],
  ['stages beyond what can be shown', ['describe', '--layout', 'pp=2000'], '--layout: pp=2000', 'use pp=1024 or less'],
  [
    'microbatches beyond what can be shown',
    ['describe', '--layout', 'pp=1024', '--microbatches', '60000'],
    '--microbatches: 60000',
    'use --microbatches 128 or less',
  ],
  ['fewer restarts than none', train('--restart', '-1', '--out', path('new')), '--restart: -1', 'from 0 to 10000'],
  [
    'restarts of what is saved nowhere',
    train('--restart', '2'),
    '--restart: nothing is saved',
    'add --out <dir> and --save-every',
  ],
  [
    'restarts of what is saved at the end',
    train('--restart', '2', '--out', path('new')),
    '--restart: nothing is saved to go on from before the end',
    'add --save-every 1',
  ],
  [
    'restarts of a run that goes on and saves at the end',
    resume('run', '--restart', '2'),
    '--restart: nothing is saved to go on from before the end',
    'add --save-every 1',
  ],
  ['a pair without the rejected one', dpo('no-rejected'), 'line 2: it has no "rejected"', 'give every line "prompt",'],
  ['a pair of equals', dpo('equal'), 'line 2: "chosen" and "rejected" are equal', 'remove that line'],
  ['a pair without a completion', dpo('no-completion'), 'line 2: nothing of "chosen" follows', 'remove that line'],
  ['a prompt as long as a sequence', dpo('long-prompt'), 'line 2: its prompt of 26 tokens', 'use --seq-len 27 or more'],
  ['messages without a template', dpo('messages'), 'line 2: it holds messages', 'give --tokenizer the folder'],
  ['texts in place of pairs', dpo('texts'), 'line 2: it has no "chosen"'],
  ['pairs in a text', train('--objective', 'dpo'), 'text.txt: pairs are read from .jsonl files', 'a pair a line'],
  ['a beta of nothing', dpo('good', '--beta', '0'), '--beta: 0 is not a number above 0', 'use --beta 0.1'],
  ['a beta of no preference', train('--beta', '0.1'), '--beta: it says how', 'add --objective dpo, or leave it out'],
  [
    'an unknown objective',
    dpo('good', '--objective', 'ppo'),
    '--objective: "ppo"',
    'use --objective next-token or dpo',
  ],
  ['a word too much', ['scale', 'more'], 'scale', 'see fivefold scale --help'],
];

test.each(cases)('%s', async (_, argv, ...parts) => {
  const before = contents(path('.'));
  const { exit, stdout, stderr } = await run(...argv);
  expect({ exit, stdout, lines: stderr.split('\n').length - 1 }, stderr).toEqual({ exit: 2, stdout: '', lines: 1 });
  expect(stderr).toMatch(/^fivefold: .+\n$/);
  for (const part of parts) expect(stderr).toContain(part);
  expect(contents(path('.'))).toEqual(before);
});

test.skipIf(process.platform === 'win32')('a schedule in a pipe is refused without waiting for it', async () => {
  execFileSync('mkfifo', [path('pipe')]);
  const { exit, stderr } = await run(...scheduled('pipe'));
  expect(exit).toBe(2);
  expect(stderr).toContain('it is a FIFO (a pipe) and not a regular file');
});

test('a folder for temporary files that does not exist', async () => {
  vi.stubEnv('TMPDIR', path('no-such-folder'));
  const { exit, stdout, stderr } = await run(...train()).finally(() => vi.unstubAllEnvs());
  expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' });
  expect(stderr).toMatch(
    /^fivefold: cannot write to \S+no-such-folder: it does not exist; set TMPDIR to a folder .*\n$/,
  );
});

test('a trace that is there survives a run that is refused while its ranks start', async () => {
  writeFileSync(path('trace.json'), 'old');
  const { exit } = await run(...train('--model', path('nan'), '--trace', path('trace.json')));
  expect(exit).toBe(2);
  expect(readFileSync(path('trace.json'), 'utf8')).toBe('old');
});

test('a run whose schedule lies in a folder with a comma goes on; without the file, it says how to go on', async () => {
  mkdirSync(path('a,b'));
  cpSync(path('two.schedule'), path('a,b/two.schedule'));
  const layout = `pp=2,schedule=file:"${path('a,b/two.schedule')}"`;
  const out = path('scheduled');
  const first = await run(...train('--layout', layout, '--micro-batch', '2', '--out', out, '--json'));
  expect(first).toMatchObject({ exit: 0, stderr: '' });
  expect(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'))).toMatchObject({ layout });
  const again = await run('train', '--resume', out, '--steps', '3', '--json');
  expect(again.exit, again.stderr).toBe(0);

  rmSync(path('a,b/two.schedule'));
  const gone = await run('train', '--resume', out, '--steps', '4');
  expect(gone).toMatchObject({ exit: 2, stdout: '' });
  expect(gone.stderr).toContain('a,b/two.schedule: it does not exist; put it back, or give another --layout\n');
  expect(await run('train', '--resume', out, '--steps', '4', '--layout', 'tp=1', '--json')).toMatchObject({ exit: 0 });
});
