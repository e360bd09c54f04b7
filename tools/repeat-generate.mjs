// Runs `fivefold generate` again and again, and compares what it writes: `node tools/repeat-generate.mjs [runs]` (20 a line).
// The model is one whose all-reduces are larger than one message of the transport and whose gathers have many rows.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const runs = Number(process.argv[2] ?? 20);
if (!Number.isInteger(runs) || runs < 2) throw new Error('usage: node tools/repeat-generate.mjs [runs, 2 or more]');
const layouts = ['tp=2', 'tp=4', 'tp=2,pp=2'];
const precisions = ['f32', 'f64'];

const config = {
  model_type: 'llama',
  vocab_size: 260,
  hidden_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 128,
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  max_position_embeddings: 256,
  initializer_range: 0.05,
  tie_word_embeddings: true,
};

const root = fileURLToPath(new URL('..', import.meta.url));

/** What the command prints; throws when it fails. */
function fivefold(...argv) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['bin/fivefold.js', ...argv], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    child.on('error', reject);
    child.on('close', (status) => (status === 0 ? resolve(text) : reject(new Error(`status ${status}: ${argv}`))));
  });
}

execFileSync(process.execPath, ['tools/build.mjs'], { cwd: root, stdio: 'inherit' });
const folder = mkdtempSync(join(tmpdir(), 'fivefold-repeat-'));
try {
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(
    join(folder, 'text.txt'),
    'What do you split, what do you duplicate, and who does all the talking? '.repeat(50),
  );
  const model = join(folder, 'model');
  const training = ['--model', join(folder, 'config.json'), '--data', join(folder, 'text.txt'), '--out', model];
  await fivefold(
    'train',
    ...training,
    '--steps',
    '20',
    '--seq-len',
    '64',
    '--lr',
    '1e-2',
    '--layout',
    'tp=1',
    '--json',
  );
  for (const precision of precisions) {
    const generate = (layout) =>
      fivefold(
        ...['generate', '--model', model, '--prompt', 'What do you split, and who', '--max-tokens', '80'],
        ...['--temperature', '1', '--top-p', '0.95', '--precision', precision, '--layout', layout],
      );
    const alone = await generate('tp=1');
    for (const layout of layouts) {
      const seen = new Map();
      for (let run = 0; run < runs; run++) {
        const text = await generate(layout);
        seen.set(text, (seen.get(text) ?? 0) + 1);
      }
      const alike = Math.max(...seen.values());
      // In f32 a layout rounds in its own way, which a draw close to a border shows.
      const right = seen.get(alone) ?? 0;
      console.log(`${precision} ${layout}: ${alike} of ${runs} runs alike, ${right} are the text of one rank`);
      if (alike < runs || (precision === 'f64' && right < runs)) process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
