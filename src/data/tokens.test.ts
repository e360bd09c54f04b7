// Data files to a token stream: documents, folders, pieces, token files, and every way it can fail.
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { makeSparse } from '../../test/odd-files.ts';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import type { PrepareProgress } from './progress.ts';
import { dataSources, type PreparedSource } from './source.ts';
import { openTokens } from './token-file.ts';
import { byteTokenizer, loadTokenizer } from './tokenizer.ts';
import { type PrepareOptions, prepareTokens } from './tokens.ts';

const root = temporaryFolder('tokens');

let made = 0;
/** A new folder with these files in it. */
function folderWith(files: Record<string, string | Uint8Array | Int32Array>): string {
  made += 1;
  const folder = join(root, String(made));
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

const bpe = loadTokenizer('test/fixtures/tokenizer');

const defaults = { tokenizer: byteTokenizer, cacheDirectory: join(root, 'streams') };

function tokensIn(path: string): number[] {
  const reader = openTokens(path);
  const all = [...reader.read(0, reader.tokens)];
  reader.close();
  return all;
}

const sha256 = (tokens: readonly number[]): string =>
  createHash('sha256').update(Int32Array.from(tokens)).digest('hex');

/** The stream for these files, read back. */
async function stream({
  files,
  ...options
}: Partial<PrepareOptions> & { readonly files: readonly string[] }): Promise<number[]> {
  const { sources, tokens, documents } = await prepareTokens({ ...defaults, ...options, sources: [{ files }] });
  const [{ name = files.join(', '), ...source }] = sources as [PreparedSource];
  const all = tokensIn(source.path);
  expect(name).toBe(files.join(', '));
  expect(source).toEqual({ path: source.path, tokens, documents, sha256: sha256(all) });
  expect(all.length).toBe(tokens);
  return all;
}

const bytes = (text: string): number[] => [...Buffer.from(text)];
const END = 256;

describe('documents', () => {
  test('a file is one document; the end-of-text token stands between two', async () => {
    const folder = folderWith({ 'a.txt': 'one\n', 'b.txt': 'twö' });
    expect(await stream({ files: [join(folder, 'b.txt'), join(folder, 'a.txt')] })).toEqual([
      ...bytes('twö'),
      END,
      ...bytes('one\n'),
    ]);
  });

  test('a folder gives its files at any depth in sorted order, without hidden ones', async () => {
    const folder = folderWith({ 'b.txt': 'B', 'a/z.txt': 'AZ', 'a/c/d.md': 'ACD', '.git/x': 'no', 'a/.y': 'no' });
    expect(await stream({ files: [folder] })).toEqual([...bytes('ACD'), END, ...bytes('AZ'), END, ...bytes('B')]);
  });

  test('each line of a .jsonl is one, however long against the buffer; empty ones do not count', async () => {
    const texts = ['first', '', 'a much longer line that does not fit', 'l\nast \u2028 ö'];
    const lines = texts.map((text, id) => JSON.stringify({ id, text }));
    const folder = folderWith({ 'd.jsonl': `${lines[0]}\r\n\n${lines[1]}\n${lines[2]}\n${lines[3]}`, 'e.txt': '' });
    const expected = [...bytes(texts[0]!), END, ...bytes(texts[2]!), END, ...bytes(texts[3]!)];
    for (const pieceBytes of [8, 40, 1 << 20]) {
      expect(await stream({ files: [folder], pieceBytes })).toEqual(expected);
    }
  });

  test('a byte order mark is no text', async () => {
    const folder = folderWith({ 'a.txt': '\ufeffhi', 'b.jsonl': '\ufeff{"text":"ho"}', 'c.txt': '\ufeff' });
    expect(await stream({ files: [folder] })).toEqual([...bytes('hi'), END, ...bytes('ho')]);
  });
});

describe('pieces', () => {
  test('do not change byte tokens, wherever they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({
          unit: fc.constantFrom('a', ' ', '\n', '\r\n', 'ö', '河', '🌊', '\u0001'),
          minLength: 1,
          maxLength: 80,
        }),
        fc.integer({ min: 4, max: 40 }),
        async (text, pieceBytes) => {
          const folder = folderWith({ 'a.txt': text });
          expect(await stream({ files: [folder], pieceBytes })).toEqual(bytes(text));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('do not change byte-pair tokens of text with line ends', async () => {
    const readme = readFileSync('node_modules/zod/README.md', 'utf8').replaceAll('\r\n', '\n');
    const folder = folderWith({ 'a.md': readme });
    const whole = [...bpe.encode(readme)];
    // Half a piece must hold a lone line end; the longest paragraph of code there is under 1 KB.
    for (const pieceBytes of [2048, 3001, 1 << 20]) {
      expect(await stream({ files: [folder], tokenizer: bpe, pieceBytes })).toEqual(whole);
    }
  });

  test('and token buffers of a file of several megabytes come out complete and in order', async () => {
    const text = Array.from({ length: 300_000 }, (_, line) => `${line}\n`).join('');
    const folder = folderWith({ 'long.txt': text });
    const cacheDirectory = join(root, 'long');
    const { sources, tokens } = await prepareTokens({ ...defaults, sources: [{ files: [folder] }], cacheDirectory });
    expect(tokens).toBe(text.length);
    const cacheFile = sources[0]!.path;
    const reader = openTokens(cacheFile);
    expect(byteTokenizer.decode(reader.read(0, tokens)) === text).toBe(true);
    reader.close();
    // Read again as a token file, which goes in steps too, with one more document after it.
    const more = folderWith({ 'more.txt': 'z' });
    expect(await stream({ files: [cacheFile, more] })).toEqual([...bytes(text), END, ...bytes('z')]);
  });

  test('report progress up to the last byte', async () => {
    const folder = folderWith({ 'a.txt': 'x\n'.repeat(500), 'b.jsonl': '{"text":"y"}\n{"text":"z"}\n' });
    const seen: PrepareProgress[] = [];
    const all = await stream({ files: [folder], pieceBytes: 100, onProgress: (progress) => seen.push(progress) });
    expect(seen.length).toBeGreaterThan(10);
    expect(seen.every((now, i) => i === 0 || now.bytes >= seen[i - 1]!.bytes)).toBe(true);
    expect(seen.at(-1)).toEqual({ path: join(folder, 'b.jsonl'), bytes: 1026, totalBytes: 1026, tokens: all.length });
  });
});

describe('token files', () => {
  test('alone are used where they are', async () => {
    const folder = folderWith({
      'gpt.u16.bin': Uint8Array.of(1, 0, 0xff, 0xff),
      'own.i32.bin': Int32Array.of(7, 70000),
    });
    for (const [name, tokens] of [
      ['gpt.u16.bin', [1, 65535]],
      ['own.i32.bin', [7, 70000]],
    ] as const) {
      const files = [join(folder, name)];
      const prepared = await prepareTokens({ sources: [{ files }], tokenizer: bpe, cacheDirectory: folder });
      expect(prepared).toMatchObject({
        sources: [{ path: files[0], tokens: 2, documents: 1 }],
        tokens: 2,
        documents: 1,
      });
      expect(await stream({ files })).toEqual(tokens);
    }
    expect(readdirSync(folder).sort()).toEqual(['gpt.u16.bin', 'own.i32.bin']);
  });

  test('with others are documents of the stream', async () => {
    const folder = folderWith({ 'a.txt': 'hi', 'b.u16.bin': Uint8Array.of(5, 1), 'c.i32.bin': Int32Array.of(9) });
    expect(await stream({ files: [folder] })).toEqual([...bytes('hi'), END, 261, END, 9]);
  });

  test('must say how wide their tokens are', async () => {
    const folder = folderWith({ 'data.bin': 'xx' });
    await expect(stream({ files: [join(folder, 'data.bin')] })).rejects.toThrow(
      /data\.bin: .*rename it .*data\.u16\.bin or .*data\.i32\.bin/,
    );
  });

  test('are checked against the vocabulary of the model', async () => {
    const folder = folderWith({ 'a.i32.bin': Int32Array.of(0, 49), 'b.i32.bin': Int32Array.of(3, -1), 'c.txt': 'abc' });
    const file = (name: string): string[] => [join(folder, name)];
    expect(await stream({ files: file('a.i32.bin'), vocabSize: 50 })).toEqual([0, 49]);
    await expect(stream({ files: file('a.i32.bin'), vocabSize: 49 })).rejects.toThrow(
      /a\.i32\.bin: token 49 is outside the model's vocabulary of 49; use the tokenizer the model was made with/,
    );
    await expect(stream({ files: file('b.i32.bin'), vocabSize: 49 })).rejects.toThrow(/token -1 is outside/);
    await expect(stream({ files: file('c.txt'), vocabSize: 98 })).rejects.toThrow(/token 98 is outside/);
    // 256 bytes are enough for one document, but not for the token between two.
    expect(await stream({ files: file('c.txt'), vocabSize: 256 })).toEqual(bytes('abc'));
    await expect(stream({ files: [...file('c.txt'), ...file('c.txt')], vocabSize: 256 })).rejects.toThrow(/token 256/);
  });
});

describe('what is no text', () => {
  const late = (...tail: number[]): Buffer => Buffer.concat([Buffer.from('text\n'.repeat(1e6)), Buffer.from(tail)]);

  test('in a folder is left out, also where that shows only late, and the stream is as if it were not there', async () => {
    const texts = { 'a.txt': 'one', 'c.txt': 'two', 'f.txt': 'three' };
    const odd = { 'b.pdf': late(0xff), 'd.txt': late(0), 'e.wasm': '\0asm' };
    const prepared = await prepareTokens({ ...defaults, sources: [{ files: [folderWith({ ...odd, ...texts })] }] });
    const expected = [...bytes('one'), END, ...bytes('two'), END, ...bytes('three')];
    expect(prepared).toMatchObject({ documents: 3, tokens: expected.length, skipped: { notText: { count: 3 } } });
    expect(tokensIn(prepared.sources[0]!.path)).toEqual(expected);
    expect(prepared.sources[0]!.sha256).toBe(sha256(expected));
  });

  test('and comes first leaves no separator', async () => {
    const folder = folderWith({ 'a.txt': late(0xff), 'b.txt': 'two' });
    expect(await stream({ files: [folder] })).toEqual(bytes('two'));
  });

  test('given by name is refused', async () => {
    const folder = folderWith({ 'a.pdf': late(0xff), 'b.txt': late(0), 'c.jsonl': '{"text":"a\0"}' });
    const refused = (name: string, message: RegExp) =>
      expect(stream({ files: [join(folder, name)] })).rejects.toThrow(message);
    await refused('a.pdf', /a\.pdf: it is not UTF-8 text; convert it to UTF-8 or leave it out/);
    await refused('b.txt', /b\.txt: it is not UTF-8 text: it holds NUL bytes/);
    await refused('c.jsonl', /it holds NUL bytes/);
  });

  test('alone in a folder is said where there are no tokens', async () => {
    const folder = folderWith({ 'x.wasm': '\0asm', 'y.bin': 'y' });
    await expect(stream({ files: [folder] })).rejects.toThrow(
      /holds no tokens; skipped 2 files that are not text, such as .*x\.wasm; give files with some text in them/,
    );
  });
});

describe('sources', () => {
  test('each has a stream, a hash and its weight', async () => {
    const folder = folderWith({ 'a.txt': 'hi', 'b.txt': 'ho', 'c.u16.bin': Uint8Array.of(5, 1) });
    const files = (...names: string[]): string[] => names.map((name) => join(folder, name));
    const cacheDirectory = join(folder, 'cache');
    const prepared = await prepareTokens({
      ...defaults,
      sources: [
        { files: files('b.txt', 'a.txt'), weight: 3 },
        { files: files('c.u16.bin') },
        { files: files('a.txt') },
      ],
      cacheDirectory,
    });
    const [first, second, third] = [[...bytes('ho'), END, ...bytes('hi')], [261], bytes('hi')];
    expect(prepared).toMatchObject({ tokens: 8, documents: 4 });
    expect(prepared.sources).toEqual([
      {
        path: join(cacheDirectory, 'tokens-1.i32.bin'),
        name: files('b.txt', 'a.txt').join(', '),
        tokens: 5,
        documents: 2,
        sha256: sha256(first),
        weight: 3,
      },
      { path: join(folder, 'c.u16.bin'), tokens: 1, documents: 1, sha256: sha256(second) },
      {
        path: join(cacheDirectory, 'tokens-3.i32.bin'),
        name: join(folder, 'a.txt'),
        tokens: 2,
        documents: 1,
        sha256: sha256(third),
      },
    ]);
    expect(prepared.sources.map(({ path }) => tokensIn(path))).toEqual([first, second, third]);
    expect(readdirSync(cacheDirectory).sort()).toEqual(['tokens-1.i32.bin', 'tokens-3.i32.bin']);
  });

  test('one of which fails leave nothing behind', async () => {
    const folder = folderWith({ 'a.txt': 'hi', 'b.txt': '' });
    const cacheDirectory = join(folder, 'cache');
    const sources = ['a.txt', 'b.txt'].map((name) => ({ files: [join(folder, name)] }));
    await expect(prepareTokens({ ...defaults, sources, cacheDirectory })).rejects.toThrow(/b\.txt holds no tokens/);
    expect(readdirSync(cacheDirectory)).toEqual([]);
  });

  test('do not overwrite a token file that one of them is', async () => {
    const folder = folderWith({ 'tokens-2.i32.bin': Int32Array.of(1, 2), 'a.txt': 'hi' });
    const sources = ['tokens-2.i32.bin', 'a.txt'].map((name) => ({ files: [join(folder, name)] }));
    await expect(prepareTokens({ ...defaults, sources, cacheDirectory: folder })).rejects.toThrow(
      /tokens-2\.i32\.bin: another source's tokens would replace it/,
    );
    expect(tokensIn(join(folder, 'tokens-2.i32.bin'))).toEqual([1, 2]);
  });

  test('by the paths of a command line', () => {
    expect(dataSources(['a', 'b'])).toEqual([{ files: ['a', 'b'] }]);
    expect(dataSources(['a', 'b'], [7, 3])).toEqual([
      { files: ['a'], weight: 7 },
      { files: ['b'], weight: 3 },
    ]);
    expect(() => dataSources(['a', 'b'], [7])).toThrow(
      'mix: 1 weights for 2 paths of data; give one weight for each path',
    );
  });

  test('are the same data by their tokens, in whichever file they are', async () => {
    const folder = folderWith({
      'a.txt': 'hi',
      'b.jsonl': '{"text":"hi"}\n',
      'c.i32.bin': Int32Array.from(bytes('hi')),
      'd.u16.bin': new Uint8Array(Uint16Array.from(bytes('hi')).buffer),
      'e.txt': 'ho',
    });
    const hashes: string[] = [];
    for (const name of readdirSync(folder).sort()) {
      const { sources } = await prepareTokens({ ...defaults, sources: [{ files: [join(folder, name)] }] });
      hashes.push(sources[0]!.sha256);
    }
    expect(new Set(hashes.slice(0, 4)).size).toBe(1);
    expect(hashes[4]).not.toBe(hashes[0]);
  });
});

describe('documents that are packed', () => {
  const pack = (files: readonly string[], options: Partial<PrepareOptions> = {}) =>
    prepareTokens({ ...defaults, sources: [{ files }], packTo: 4, ...options });

  test('all end with the end of text, and their places are part of what the data are', async () => {
    const folder = folderWith({ 'a.txt': 'hi', 'b.txt': 'ho!' });
    const cacheDirectory = join(folder, 'cache');
    const { sources, packed } = await pack([folder], { cacheDirectory });
    const expected = [...bytes('hi'), END, ...bytes('ho!'), END];
    expect(tokensIn(sources[0]!.path)).toEqual(expected);
    expect(readdirSync(cacheDirectory).sort()).toEqual(['tokens.i32.bin', 'tokens.i32.packing']);
    expect(packed).toEqual({ documents: 2, sequences: 2, filled: 5 });
    const places = Float64Array.of(0, 3, 7);
    expect(sources[0]!.sha256).toBe(createHash('sha256').update(sha256(expected), 'hex').update(places).digest('hex'));
    expect(sources[0]).toMatchObject({ tokens: 7, documents: 2, packing: join(cacheDirectory, 'tokens.i32.packing') });
  });

  test('are as if what turns out to be no text late were not there', async () => {
    const late = Buffer.concat([Buffer.from('{"text":"text"}\n'.repeat(2e5)), Buffer.of(0xff)]);
    const folder = folderWith({ 'a.txt': 'one', 'b.jsonl': late, 'c.txt': 'two' });
    const { packed, documents } = await pack([folder]);
    expect(documents).toBe(2);
    expect(packed).toEqual({ documents: 2, sequences: 2, filled: 6 });
  });

  test('cannot be token files, which do not say where documents begin', async () => {
    const folder = folderWith({ 'a.txt': 'hi', 'b.u16.bin': Uint8Array.of(5, 1), 'c.i32.bin': Int32Array.of(1, 2) });
    for (const files of [[join(folder, 'c.i32.bin')], [folder]])
      await expect(pack(files)).rejects.toThrow(
        /^pack: .*\.bin holds tokens, which do not say where documents begin; give text or \.jsonl files, or leave it out/,
      );
  });

  test('must have something to predict, which the end of text is too', async () => {
    const folder = folderWith({ 'a.txt': 'h', 'b.jsonl': '{"text":"o"}\n{"text":""}' });
    const { endOfText: _, ...tokenizer } = byteTokenizer;
    const cacheDirectory = join(folder, 'cache');
    await expect(pack([folder], { tokenizer, cacheDirectory })).rejects.toThrow(
      /^pack: no document in .* has a second token to predict; give longer documents, or leave it out/,
    );
    expect(readdirSync(cacheDirectory)).toEqual([]);
    expect((await pack([folder])).packed).toEqual({ documents: 2, sequences: 1, filled: 2 });
    await expect(pack([folderWith({ 'a.txt': '' })])).rejects.toThrow(/holds no tokens/);
  });

  test('need their end of text in the vocabulary, even one alone', async () => {
    const folder = folderWith({ 'a.txt': 'abc' });
    await expect(pack([folder], { vocabSize: 256 })).rejects.toThrow(/the end-of-text token: token 256 is outside/);
  });
});

describe('a file that does not stay as it is', () => {
  test('and grows while it is read is read to the size it had', async () => {
    const folder = folderWith({ 'log.txt': 'line\n'.repeat(1000) });
    const path = join(folder, 'log.txt');
    const onProgress = (): void => {
      if (statSync(path).size < 50_000) appendFileSync(path, 'more\n'.repeat(100));
    };
    const tokens = await stream({ files: [path], pieceBytes: 64, onProgress });
    expect(tokens).toEqual(bytes('line\n'.repeat(1000)));
    expect(statSync(path).size).toBeGreaterThan(5000);
  });

  test('a token file of a million million tokens can be stopped while it is looked through', async () => {
    const folder = folderWith({});
    makeSparse(join(folder, 'a.i32.bin'), 4e12);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('enough')), 50);
    await expect(stream({ files: [join(folder, 'a.i32.bin')], signal: controller.signal })).rejects.toThrow('enough');
  });

  test('and streams that cannot fit the disk are refused before anything is written', async () => {
    const folder = folderWith({ 'a.txt': 'hi' });
    makeSparse(join(folder, 'b.i32.bin'), 8e12);
    const cacheDirectory = join(folder, 'cache');
    const files = [join(folder, 'b.i32.bin'), join(folder, 'a.txt')];
    await expect(stream({ files, cacheDirectory })).rejects.toThrow(/cache: 8000 GB of tokens do not fit: /);
    expect(readdirSync(cacheDirectory)).toEqual([]);
  });
});

describe('failures', () => {
  const failing = async (files: Record<string, string | Uint8Array | Int32Array>, message: RegExp): Promise<void> => {
    const folder = folderWith(files);
    const cacheDirectory = folderWith({ 'tokens.i32.bin': 'the old one' });
    await expect(prepareTokens({ ...defaults, sources: [{ files: [folder] }], cacheDirectory })).rejects.toThrow(
      message,
    );
    expect(readdirSync(cacheDirectory)).toEqual(['tokens.i32.bin']);
    expect(readFileSync(join(cacheDirectory, 'tokens.i32.bin'), 'utf8')).toBe('the old one');
  };

  test('leave the old stream and nothing else behind', async () => {
    await failing({ 'a.txt': '', 'b.jsonl': '\n{"text":""}\n' }, /holds no tokens; give files with some text/);
    await failing({}, /holds no tokens/);
    await failing({ 'a.jsonl': '{"text":"x"}\n\nnot json' }, /a\.jsonl: line 3 is not JSON/);
    await failing({ 'a.jsonl': '{"content":"x"}' }, /line 1 has no string "text"/);
    await failing({ 'a.txt': 'good', 'b.i32.bin': 'abcde' }, /5 bytes are no whole number of 4-byte tokens/);
  });

  test('name a path that is not there', async () => {
    await expect(stream({ files: [join(root, 'nowhere.txt')] })).rejects.toThrow(
      /cannot read data .*nowhere\.txt: it does not exist/,
    );
    await expect(stream({ files: [] })).rejects.toThrow(/data \(no files\) holds no tokens/);
  });

  test('name an output that cannot be written', async () => {
    const folder = folderWith({ file: 'x' });
    const cacheDirectory = join(folder, 'file');
    await expect(stream({ files: [folder], cacheDirectory })).rejects.toThrow(
      /cannot write to .*file: .*; use another folder/,
    );
  });
});
