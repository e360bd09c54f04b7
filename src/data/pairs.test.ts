import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import { loadChatTemplate } from './chat-template.ts';
import { pairText } from './pair-text.ts';
import { pairTokens } from './pair-tokens.ts';
import { type PairOptions, pairPositions, preparePairs } from './pairs.ts';
import { openSequences } from './sequences.ts';
import { byteTokenizer, type Tokenizer } from './tokenizer.ts';

const folder = temporaryFolder('pairs');
const place = { path: 'pairs.jsonl', line: 3 };

/** The template that ChatML is written with, with a system message put in where there is none. */
const chatml = `{%- if messages[0]['role'] != 'system' %}
    {{- '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message['role'] not in ['system', 'user', 'assistant'] %}
        {{- raise_exception('Who is ' + message['role'] + '?') }}
    {%- endif %}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
`;
/** Tokens by name around every turn. */
const turns =
  "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}";

function templateOf(files: Readonly<Record<string, string>>) {
  const own = mkdtempSync(join(folder, 'template-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(own, name), text);
  return loadChatTemplate(join(own, 'tokenizer.json'));
}
const ofChatml = templateOf({ 'chat_template.jinja': chatml })!;
const ofTurns = templateOf({
  'tokenizer_config.json': JSON.stringify({ chat_template: turns, bos_token: '<s>', eos_token: { content: '</s>' } }),
})!;

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });

// What transformers 5.23 writes with these templates and messages: apply_chat_template(messages, tokenize=False).
test('a template writes what transformers writes', () => {
  const messages = [user(' Hi\n'), assistant('Hello.'), user('Sky?')];
  expect(ofChatml.render(messages, true)).toBe(
    '<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nSky?<|im_end|>\n<|im_start|>assistant\n',
  );
  expect(ofTurns.render([...messages, assistant('Blue.')], false)).toBe(
    '<s>[INST]  Hi\n [/INST] Hello.</s>[INST] Sky? [/INST] Blue.</s>',
  );
});

test('of several templates the default one is taken, and chat_template.jinja before all', () => {
  const chat_template = [
    { name: 'tool_use', template: 'tools' },
    { name: 'default', template: 'plain' },
  ];
  const config = { 'tokenizer_config.json': JSON.stringify({ chat_template }) };
  expect(templateOf(config)!.render([], false)).toBe('plain');
  expect(templateOf({ ...config, 'chat_template.jinja': 'own' })!.render([], false)).toBe('own');
  expect(templateOf({})).toBe(undefined);
});

const plain = (prompt: string, chosen: string, rejected: string) => ({ prompt, chosen, rejected, templated: false });

test.each([
  ['three strings', { prompt: 'Sky? ', chosen: 'Blue.', rejected: 'Green.' }, plain('Sky? ', 'Blue.', 'Green.')],
  ['no prompt', { chosen: 'Sky? Blue.', rejected: 'Sky? Green.' }, plain('Sky?', ' Blue.', ' Green.')],
  ['no prompt, cut in a word', { chosen: 'It is blue', rejected: 'It is black' }, plain('It is bl', 'ue', 'ack')],
  ['no prompt, cut in a character', { chosen: 'a😀', rejected: 'a😁' }, plain('a', '😀', '😁')],
  ['other fields', { id: 7, prompt: 'a', chosen: 'b', rejected: 'c', score: 1 }, plain('a', 'b', 'c')],
])('a line of strings: %s', (_, line, expected) => {
  expect(pairText(line, undefined, place)).toEqual(expected);
});

const chat = {
  prompt: '<s>[INST] Sky? [/INST]',
  chosen: ' Blue.</s>',
  rejected: ' Green.</s>',
  templated: true,
};
const answers = { chosen: [assistant('Blue.')], rejected: [assistant('Green.')] };
const whole = {
  chosen: [user('Sky?'), assistant('Blue.')],
  rejected: [user('Sky?'), assistant('Green.')],
};

test.each([
  ['three lists', { prompt: [user('Sky?')], ...answers }],
  ['no prompt', whole],
  ['a prompt in words beside whole conversations', { prompt: 'Sky?', ...whole }],
])('a line of messages: %s', (_, line) => {
  expect(pairText(line, ofTurns, place)).toEqual(chat);
});

test('what opens an answer is of the prompt', () => {
  const { prompt, chosen } = pairText({ prompt: [user('Sky?')], ...answers }, ofChatml, place);
  expect(prompt.endsWith('<|im_start|>assistant\n')).toBe(true);
  expect(chosen).toBe('Blue.<|im_end|>\n');
});

test.each([
  ['a list', [1], 'it is no object'],
  ['no rejected', { prompt: 'a', chosen: 'b' }, 'it has no "rejected"'],
  ['no chosen', { prompt: 'a', rejected: 'b' }, 'it has no "chosen"'],
  ['a number', { prompt: 'a', chosen: 1, rejected: 'b' }, '"chosen" is neither a string nor a list'],
  ['messages without roles', { prompt: 'a', chosen: [{}], rejected: [] }, '"chosen" is neither a string nor a list'],
  ['equal ones', { prompt: 'a', chosen: 'b', rejected: 'b' }, '"chosen" and "rejected" are equal'],
  ['equal messages', { ...answers, rejected: answers.chosen }, '"chosen" and "rejected" are equal'],
  ['an empty completion', { prompt: 'a', chosen: '', rejected: 'b' }, 'nothing of "chosen" follows the prompt'],
  ['one that the other begins with', { chosen: 'ab', rejected: 'a' }, 'nothing of "rejected" follows the prompt'],
  ['strings and messages', { prompt: 'a', chosen: 'b', rejected: answers.rejected }, 'some of it are strings'],
  ['messages as the prompt of strings', { prompt: [user('a')], chosen: 'b', rejected: 'c' }, 'some of it are strings'],
  ['no shared message', answers, 'there is no prompt in messages'],
  ['a conversation that ends', { chosen: whole.chosen, rejected: [user('Sky?')] }, 'no message of "rejected"'],
  [
    'what the template refuses',
    { prompt: [{ role: 'ghost', content: 'a' }], ...answers },
    'the chat template of .* does not take it \\(Who is ghost\\?\\)',
  ],
])('a line that is no pair: %s', (_, line, problem) => {
  expect(() => pairText(line, ofChatml, place)).toThrow(
    new RegExp(`^cannot read data pairs.jsonl: line 3: ${problem}`),
  );
});

test('messages need a template', () => {
  expect(() => pairText(whole, undefined, place)).toThrow(/line 3: it holds messages, and there is no chat template/);
});

/** Pairs of letters are tokens, as are single ones, and a text begins with 0. */
const merging: Tokenizer = {
  kind: 'huggingface',
  vocabSize: 2 ** 16,
  endOfAnswer: 1,
  encode(text, { addSpecialTokens = false } = {}) {
    const parts = text.match(/[a-z]{2}|./gs) ?? [];
    const ids = parts.map((part) => part.charCodeAt(0) + 256 * (part.length > 1 ? part.charCodeAt(1) : 0));
    return Int32Array.from(addSpecialTokens ? [0, ...ids] : ids);
  },
  decode: () => '',
};
const ids = (...parts: string[]) => parts.flatMap((part) => Array.from(merging.encode(part)));

test('completions are tokenized with their prompt where it stays as it is, else alone', () => {
  const { prompt, chosen, rejected } = pairTokens(plain('abc', ' de', 'def'), merging, 99, place);
  expect(prompt).toBe(3);
  expect(Array.from(chosen)).toEqual([0, ...ids('ab', 'c', ' ', 'de'), 1]);
  // Together they would be ab, cd, ef.
  expect(Array.from(rejected)).toEqual([0, ...ids('ab', 'c', 'de', 'f'), 1]);
});

test('a template says how a text begins and ends', () => {
  const { prompt, chosen } = pairTokens({ ...plain('ab', 'cd', 'ef'), templated: true }, merging, 99, place);
  expect(prompt).toBe(1);
  expect(Array.from(chosen)).toEqual(ids('ab', 'cd'));
});

test('a sequence that is too long loses its end', () => {
  const cut = pairTokens(plain('aaaa', 'bcde', 'x'), byteTokenizer, 7, place);
  expect(cut.cut).toBe(true);
  expect(Buffer.from(cut.chosen).toString()).toBe('aaaabcd');
  expect(Array.from(cut.rejected)).toEqual([...Buffer.from('aaaax'), 256]);
  expect(pairTokens(plain('aaaa', 'bc', 'x'), byteTokenizer, 7, place).cut).toBe(false);
});

test.each([
  [
    'a prompt that leaves no room',
    plain('aaaaaaa', 'b', 'c'),
    /prompt of 7 tokens leaves no room .* of 7; use seqLen 8/,
  ],
  ['no prompt', plain('', 'b', 'c'), /the prompt is empty/],
  ['what is equal once it is cut', plain('aaaaa', 'bcd', 'bce'), /have the same first 7 tokens; use a longer seqLen/],
])('it is refused: %s', (_, text, problem) => {
  expect(() => pairTokens(text, byteTokenizer, 7, place)).toThrow(problem);
});

const letters = fc.string({ unit: fc.constantFrom('a', 'b', ' ', 'é'), minLength: 1, maxLength: 12 });
const pairs = fc.array(fc.record({ prompt: letters, chosen: letters, rejected: letters }), {
  minLength: 1,
  maxLength: 20,
});

async function prepared(lines: readonly object[], options: Partial<PairOptions> = {}) {
  const own = mkdtempSync(join(folder, 'data-'));
  const file = join(own, 'pairs.jsonl');
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const seqLen = options.seqLen ?? 60;
  const data = await preparePairs({
    sources: [{ files: [file] }],
    tokenizer: byteTokenizer,
    cacheDirectory: own,
    vocabSize: 257,
    seqLen,
    pack: false,
    ...options,
  });
  return { data, sequences: openSequences(data.sources, { seqLen: pairPositions(seqLen), seed: 1 }) };
}

/** The documents of a sequence, each as its tokens with the last target, and the text of the targets that count. */
function documentsOf(row: ReturnType<Awaited<ReturnType<typeof prepared>>['sequences']['sequence']>) {
  return Array.from({ length: 2 * row.pairs!.length }, (_, document) => {
    const at = Array.from(row.documents!.keys()).filter((i) => row.documents![i] === document);
    expect(at.map((i) => row.positions![i])).toEqual(at.map((_, i) => i));
    const whole = [row.inputs[at[0]!]!, ...at.map((i) => row.targets[i]!)];
    expect(at.map((i) => row.inputs[i])).toEqual(whole.slice(0, -1));
    const judged = at.filter((i) => row.weights![i] === 1).map((i) => row.targets[i]!);
    return { whole: byteTokenizer.decode(whole), judged: byteTokenizer.decode(judged), end: whole.at(-1) };
  });
}

test('every pair is in one sequence, its completions as documents whose own tokens alone count', async () => {
  await fc.assert(
    fc.asyncProperty(pairs, fc.boolean(), async (drawn, pack) => {
      const lines = drawn.filter(({ chosen, rejected }) => chosen !== rejected);
      fc.pre(lines.length > 0);
      const { data, sequences } = await prepared(lines, { pack });
      const seen: number[] = [];
      for (let index = 0; index < sequences.all.count; index++) {
        const row = sequences.all.sequence(index);
        const documents = documentsOf(row);
        for (const [k, pair] of Array.from(row.pairs!).entries()) {
          const { prompt, chosen, rejected } = lines[pair]!;
          seen.push(pair);
          expect(documents.slice(2 * k, 2 * k + 2)).toEqual([
            { whole: prompt + chosen, judged: chosen, end: 256 },
            { whole: prompt + rejected, judged: rejected, end: 256 },
          ]);
        }
        const padding = Array.from(row.documents!.keys()).filter((i) => row.documents![i]! >= documents.length);
        expect(padding.every((i) => row.weights![i] === 0 && row.positions![i] === 0)).toBe(true);
        if (!pack) expect(row.pairs!.length).toBe(1);
      }
      sequences.close();
      expect(seen.sort((a, b) => a - b)).toEqual(lines.map((_, i) => i));
      expect(data.ofPairs).toMatchObject({ pairs: lines.length, cut: 0, sequences: sequences.all.count });
      expect(sequences.pairs).toBe(lines.length);
    }),
    { numRuns: 40 },
  );
});

test('packing takes fewer sequences, and none holds more than it is said to', async () => {
  const lines = Array.from({ length: 30 }, (_, i) => ({
    prompt: 'ab',
    chosen: 'c'.repeat(1 + (i % 5)),
    rejected: 'd',
  }));
  const { data, sequences } = await prepared(lines, { pack: true });
  expect(data.ofPairs!.sequences).toBeLessThan(8);
  const counts = Array.from({ length: sequences.all.count }, (_, i) => sequences.all.sequence(i).pairs!.length);
  expect(Math.max(...counts)).toBe(data.ofPairs!.most);
  sequences.close();
});

test('pairs of several sources have numbers of their own', async () => {
  const own = mkdtempSync(join(folder, 'mixed-'));
  const files = ['one', 'two'].map((name, i) => {
    const file = join(own, `${name}.jsonl`);
    const line = JSON.stringify({ prompt: name, chosen: 'a', rejected: 'b' });
    writeFileSync(file, `${line}\n`.repeat(i + 2));
    return file;
  });
  const data = await preparePairs({
    sources: files.map((file) => ({ files: [file], weight: 1 })),
    tokenizer: byteTokenizer,
    cacheDirectory: own,
    vocabSize: 257,
    seqLen: 16,
    pack: false,
  });
  const sequences = openSequences(data.sources, { seqLen: 32, seed: 0, heldOut: 2 });
  const all = Array.from({ length: sequences.all.count }, (_, i) => Array.from(sequences.all.sequence(i).pairs!));
  expect(all).toEqual([[0], [1], [2], [3], [4]]);
  expect(sequences.validation.count).toBe(2);
  sequences.close();
});

test('lines that are no pairs name the file and the line, and folders give their .jsonl files', async () => {
  const own = mkdtempSync(join(folder, 'bad-'));
  mkdirSync(join(own, 'data'));
  const file = join(own, 'data', 'pairs.jsonl');
  writeFileSync(join(own, 'data', 'notes.txt'), 'not read');
  const options = { tokenizer: byteTokenizer, cacheDirectory: own, vocabSize: 257, seqLen: 16, pack: false };
  const read = (path: string) => preparePairs({ ...options, sources: [{ files: [path] }] });
  writeFileSync(file, '{"prompt":"a","chosen":"b","rejected":"c"}\n\n{"prompt":"a","chosen":"b"}\n');
  await expect(read(join(own, 'data'))).rejects.toMatchObject({
    code: 'DATA_MISSING',
    message: expect.stringContaining('pairs.jsonl: line 3: it has no "rejected"'),
  });
  writeFileSync(file, '{"prompt":"a","chosen":"b","rejected":"c"}\n');
  await expect(read(join(own, 'data'))).resolves.toMatchObject({ ofPairs: { pairs: 1 } });
  await expect(read(join(own, 'data', 'notes.txt'))).rejects.toMatchObject({
    message: expect.stringContaining('pairs are read from .jsonl files'),
  });
});
