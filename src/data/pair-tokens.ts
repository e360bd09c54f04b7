// The tokens of a pair: prompt and completion, twice, cut to what a sequence takes.
import { option } from '../errors.ts';
import { type LinePlace, type PairText, refuseLine } from './pair-text.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface PairTokens {
  /** Tokens of the prompt, with which both begin. */
  readonly prompt: number;
  /** Prompt and completion, at most as many as a sequence takes. */
  readonly chosen: Int32Array;
  readonly rejected: Int32Array;
  /** Whether the end of one was cut off. */
  readonly cut: boolean;
}

/**
 * Strings begin with what the tokenizer puts before a text and end with the token that ends an answer; texts of a template have both.
 * A completion is tokenized with its prompt, where the prompt's own tokens are the beginning of that, else alone. What is longer than
 * `seqLen` tokens loses its end, and never of its prompt.
 * @throws DATA_MISSING, naming the line, for a prompt that leaves no room, a prompt or completion of no tokens, and completions that
 * are equal once they are cut
 */
export function pairTokens(text: PairText, tokenizer: Tokenizer, seqLen: number, place: LinePlace): PairTokens {
  const plain = tokenizer.encode(text.prompt);
  const prompt = text.templated ? plain : Int32Array.of(...openingOf(text.prompt, plain, tokenizer), ...plain);
  if (prompt.length === 0)
    refuseLine(
      place,
      'the prompt is empty, and the tokenizer puts nothing before a text: what an answer begins with could not be judged',
      'give every line a prompt',
    );
  if (prompt.length >= seqLen)
    refuseLine(
      place,
      `its prompt of ${prompt.length} tokens leaves no room for an answer in sequences of ${seqLen}`,
      `use ${option('seqLen')} ${prompt.length + 1} or more, or remove that line`,
    );
  const [chosen, rejected] = [text.chosen, text.rejected].map((completion, side) => {
    const tokens = completionOf(completion, text, plain, tokenizer);
    if (tokens.length === 0)
      refuseLine(place, `"${['chosen', 'rejected'][side]}" has no tokens`, 'repair or remove that line');
    return Int32Array.of(...prompt, ...tokens);
  }) as [Int32Array, Int32Array];
  const cut = Math.max(chosen.length, rejected.length) > seqLen;
  const pair = { prompt: prompt.length, chosen: chosen.slice(0, seqLen), rejected: rejected.slice(0, seqLen), cut };
  if (pair.chosen.length === pair.rejected.length && pair.chosen.every((token, i) => token === pair.rejected[i]))
    refuseLine(
      place,
      `"chosen" and "rejected" have the same ${cut ? `first ${seqLen} ` : ''}tokens`,
      cut ? `use a longer ${option('seqLen')}, or remove that line` : 'repair or remove that line',
    );
  return pair;
}

/** What the tokenizer puts before a text. */
function openingOf(text: string, plain: Int32Array, tokenizer: Tokenizer): Int32Array {
  const whole = tokenizer.encode(text, { addSpecialTokens: true });
  for (let start = 0; start + plain.length <= whole.length; start++)
    if (plain.every((token, i) => token === whole[start + i])) return whole.subarray(0, start);
  return new Int32Array(0);
}

function completionOf(completion: string, { prompt, templated }: PairText, plain: Int32Array, tokenizer: Tokenizer) {
  const whole = tokenizer.encode(prompt + completion);
  const begins = whole.length > plain.length && plain.every((token, i) => token === whole[i]);
  const tokens = begins ? whole.subarray(plain.length) : tokenizer.encode(completion);
  const { endOfAnswer: end } = tokenizer;
  return templated || end === undefined || tokens.at(-1) === end ? tokens : Int32Array.of(...tokens, end);
}
