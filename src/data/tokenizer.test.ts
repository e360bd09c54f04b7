// Tokenizers against what the Python package gives for the same file, and bytes against themselves.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import { byteTokenizer, loadTokenizer } from './tokenizer.ts';

const fixture = 'test/fixtures/tokenizer';
const reference = z
  .object({
    vocabSize: z.int(),
    endOfText: z.int(),
    cases: z.array(z.object({ text: z.string(), ids: z.array(z.int()), decoded: z.string() })),
  })
  .parse(JSON.parse(readFileSync(`${fixture}/reference.json`, 'utf8')));

const folder = temporaryFolder('tokenizer');

/** The fixture's tokenizer.json with some fields replaced, in a folder of its own. */
function changed(name: string, fields: Record<string, unknown>): string {
  const path = join(mkdtempSync(join(folder, name)), 'tokenizer.json');
  const json: Record<string, unknown> = JSON.parse(readFileSync(`${fixture}/tokenizer.json`, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...json, ...fields }));
  return path;
}

describe('a Hugging Face tokenizer.json', () => {
  const tokenizer = loadTokenizer(`${fixture}/tokenizer.json`);

  test('has the vocabulary and end of text of the reference', () => {
    expect(tokenizer.kind).toBe('huggingface');
    expect(tokenizer.vocabSize).toBe(reference.vocabSize);
    expect(tokenizer.endOfText).toBe(reference.endOfText);
  });

  test.each(reference.cases)('encodes and decodes $text as the reference does', ({ text, ids, decoded }) => {
    expect([...tokenizer.encode(text)]).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(decoded);
  });

  test('decodes what it encoded, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
    );
  });

  test('is found in a folder', () => {
    expect([...loadTokenizer(fixture).encode('the work')]).toEqual([...tokenizer.encode('the work')]);
  });

  test('adds its special tokens only when asked to', () => {
    const special = { '<|endoftext|>': { id: '<|endoftext|>', ids: [301], tokens: ['<|endoftext|>'] } };
    const begin = { SpecialToken: { id: '<|endoftext|>', type_id: 0 } };
    const single = [begin, { Sequence: { id: 'A', type_id: 0 } }];
    const path = changed('template', {
      post_processor: { type: 'TemplateProcessing', single, pair: single, special_tokens: special },
    });
    const plain = [...tokenizer.encode('hello')];
    const withBegin = loadTokenizer(path);
    expect([...withBegin.encode('hello')]).toEqual(plain);
    expect([...withBegin.encode('hello', { addSpecialTokens: true })]).toEqual([301, ...plain]);
  });

  test('takes the end of text from tokenizer_config.json when no token has a usual name', () => {
    const added = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
    const path = changed('eos', { added_tokens: [{ id: 301, content: '<stop>', ...added }] });
    expect(loadTokenizer(path).endOfText).toBeUndefined();
    writeFileSync(join(path, '../tokenizer_config.json'), JSON.stringify({ eos_token: { content: '<stop>' } }));
    expect(loadTokenizer(path).endOfText).toBe(301);
  });

  test('never drops the spaces before punctuation, even if its config asks for it', () => {
    const path = changed('spaces', {});
    writeFileSync(join(path, '../tokenizer_config.json'), JSON.stringify({ clean_up_tokenization_spaces: true }));
    const text = 'well , then . do not !';
    const spaces = loadTokenizer(path);
    expect(spaces.decode(spaces.encode(text))).toBe(text);
  });

  test('refuses a file that is not there, is not JSON or is another JSON', () => {
    expect(() => loadTokenizer(join(folder, 'none.json'))).toThrow(
      /none\.json: it does not exist; .*leave the option out/,
    );
    const path = join(folder, 'other.json');
    writeFileSync(path, 'a: 1');
    expect(() => loadTokenizer(path)).toThrow(/other\.json: it is not JSON/);
    writeFileSync(path, '{"hidden_size": 16}');
    expect(() => loadTokenizer(path)).toThrow(/other\.json: it is not of the expected form \(model:/);
    for (const id of [-1, 0.5, 2 ** 31]) {
      writeFileSync(path, JSON.stringify({ model: { type: 'BPE', vocab: { a: 0, b: id }, merges: [] } }));
      expect(() => loadTokenizer(path)).toThrow(/other\.json: it is not of the expected form \(model/);
      const added_tokens = [{ id, content: 'b' }];
      writeFileSync(path, JSON.stringify({ model: { type: 'BPE', vocab: { a: 0 }, merges: [] }, added_tokens }));
      expect(() => loadTokenizer(path)).toThrow(/other\.json: it is not of the expected form \(added_tokens/);
    }
  });
});

describe('bytes', () => {
  test('are the default, 256 of them and the end of a document', () => {
    expect(loadTokenizer()).toBe(byteTokenizer);
    expect(byteTokenizer.vocabSize).toBe(257);
    expect([...byteTokenizer.encode('hé\n')]).toEqual([0x68, 0xc3, 0xa9, 10]);
    expect(byteTokenizer.decode([0x68, 256, 0xc3, 0xa9])).toBe('hé');
  });

  test('decode what was encoded, a byte order mark included', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(byteTokenizer.decode(byteTokenizer.encode(text))).toBe(text);
      }),
      { examples: [['\ufeffa']] },
    );
  });

  test('that are no UTF-8 decode to U+FFFD', () => {
    expect(byteTokenizer.decode([0x61, 0xff, 0x62, 0xe6, 0xb2])).toBe('a\ufffdb\ufffd');
  });
});
