// Text to token ids and back: a Hugging Face tokenizer.json, or plain bytes when there is none.
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { fail } from '../errors.ts';
import { maxBytes, readJson } from '../files/json-file.ts';
import type { Refusal } from '../files/regular-file.ts';

export interface EncodeOptions {
  /** Add what the tokenizer puts around a prompt, such as a begin-of-text token. Default false: data are pieces of a stream. */
  readonly addSpecialTokens?: boolean;
}

export interface Tokenizer {
  readonly kind: 'bytes' | 'huggingface';
  /** One more than the highest token id. A model's vocabulary may be padded beyond it. */
  readonly vocabSize: number;
  /** The token that ends a document, if the tokenizer has one. */
  readonly endOfText?: number;
  /** The token that ends what a model writes (eos_token), which in a chat model is that of a turn; else that of a document. */
  readonly endOfAnswer?: number;
  encode(text: string, options?: EncodeOptions): Int32Array;
  /** The text of these tokens, special tokens included by name; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>): string;
}

/** Token ids 0-255 are the bytes of the UTF-8 text, 256 is the end of a document (it decodes to nothing). */
export const byteTokenizer: Tokenizer = {
  kind: 'bytes',
  vocabSize: 257,
  endOfText: 256,
  endOfAnswer: 256,
  encode: (text) => new Int32Array(Buffer.from(text, 'utf8')),
  // ignoreBOM keeps U+FEFF in the text, so that decode(encode(text)) is text.
  decode: (ids) =>
    new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(Array.from(ids).filter((id) => id < 256))),
};

/** Many times more tokens than any model has; lists as long as the highest id are made. */
const tokenId = z
  .int()
  .min(0)
  .max(2 ** 24);

const addedTokenSchema = z.looseObject({ id: tokenId, content: z.string() });

const tokenizerSchema = z.looseObject({
  model: z.looseObject({ vocab: z.union([z.record(z.string(), tokenId), z.array(z.unknown())]) }),
  added_tokens: z.array(addedTokenSchema).nullish(),
});

const tokenizerConfigSchema = z.looseObject({
  eos_token: z.union([z.string(), z.looseObject({ content: z.string() })]).nullish(),
});

/**
 * The tokenizer of a model.
 * @param path a tokenizer.json, or a folder that holds one; without it, bytes. A tokenizer_config.json beside it is read if there.
 * @throws CONFIG_INVALID when the file is missing or is no tokenizer.json
 */
export function loadTokenizer(path?: string): Tokenizer {
  if (path === undefined) return byteTokenizer;
  const file = tokenizerFile(path);
  const json = readParsed(file, maxBytes.tokenizer, tokenizerSchema);
  const configFile = join(dirname(file), 'tokenizer_config.json');
  const config = statSync(configFile, { throwIfNoEntry: false })
    ? readParsed(configFile, maxBytes.config, tokenizerConfigSchema)
    : {};
  return fromHuggingFace(file, json, config);
}

/** The tokenizer.json that a path means: itself, or the one in a folder. */
export const tokenizerFile = (path: string): string =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ? join(path, 'tokenizer.json') : path;

function readParsed<T extends z.ZodType>(path: string, most: number, schema: T): z.infer<T> {
  const usual = 'pass a Hugging Face tokenizer.json, or leave the option out to use bytes as tokens';
  const invalid = ({ problem, fix = usual }: Pick<Refusal, 'problem' | 'fix'>): never =>
    fail('CONFIG_INVALID', { path, problem, fix });
  const parsed = schema.safeParse(readJson(path, most, invalid));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  return invalid({
    problem: `it is not of the expected form (${issue?.path.join('.') || 'top level'}: ${issue?.message})`,
  });
}

function fromHuggingFace(
  path: string,
  json: z.infer<typeof tokenizerSchema>,
  config: z.infer<typeof tokenizerConfigSchema>,
): Tokenizer {
  let inner: HuggingFaceTokenizer;
  try {
    // Cleaning up drops spaces before punctuation, also those that were in the text: decode must give back what was encoded.
    inner = new HuggingFaceTokenizer(json, { ...config, clean_up_tokenization_spaces: false });
  } catch (error) {
    const problem = `is a tokenizer that cannot be built (${error instanceof Error ? error.message : String(error)})`;
    return fail('CONFIG_INVALID', { path, problem, fix: 'use another tokenizer.json' });
  }
  let highest = -1;
  for (const id of inner.get_vocab(true).values()) highest = Math.max(highest, id);
  const endOfText = endOfTextId(inner, config);
  const eos = eosName(config);
  const endOfAnswer = (eos === undefined ? undefined : inner.token_to_id(eos)) ?? endOfText;
  return {
    kind: 'huggingface',
    vocabSize: highest + 1,
    ...(endOfText !== undefined && { endOfText }),
    ...(endOfAnswer !== undefined && { endOfAnswer }),
    encode: (text, options) =>
      Int32Array.from(inner.encode(text, { add_special_tokens: options?.addSpecialTokens ?? false }).ids),
    decode: (ids) => (ids.length === 0 ? '' : inner.decode(Array.from(ids), { skip_special_tokens: false })),
  };
}

/**
 * The separator of documents in pretraining. It comes before eos_token, which in a chat model ends a turn; a plain model
 * has no other and uses eos_token for both.
 */
function endOfTextId(inner: HuggingFaceTokenizer, config: z.infer<typeof tokenizerConfigSchema>): number | undefined {
  const eos = eosName(config);
  for (const name of ['<|endoftext|>', '<|end_of_text|>', eos, '</s>', '<eos>']) {
    const id = name === undefined ? undefined : inner.token_to_id(name);
    if (id !== undefined) return id;
  }
  return undefined;
}

const eosName = ({ eos_token: eos }: z.infer<typeof tokenizerConfigSchema>): string | undefined =>
  typeof eos === 'string' ? eos : eos?.content;
