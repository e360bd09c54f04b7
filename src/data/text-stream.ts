// Tokens to text one at a time, for output that is shown while it is generated.
import type { Tokenizer } from './tokenizer.ts';

export interface TextStream {
  /** The text this token completes; '' while a character still misses bytes. */
  push(id: number): string;
  /** What was held back: U+FFFD for a character that was never completed. */
  end(): string;
}

/** All that is pushed and the end, put together, is `tokenizer.decode` of all ids. */
export function textStream(tokenizer: Tokenizer): TextStream {
  // Decoded together with the tokens before them, as what a token decodes to can depend on whether it is the first.
  let shown: number[] = [];
  let held: number[] = [];
  const heldText = (): string => tokenizer.decode([...shown, ...held]).slice(tokenizer.decode(shown).length);
  return {
    push(id) {
      held.push(id);
      const text = heldText();
      if (text === '' || text.endsWith('\ufffd')) return '';
      shown = held;
      held = [];
      return text;
    },
    end() {
      const text = heldText();
      shown = [];
      held = [];
      return text;
    },
  };
}
