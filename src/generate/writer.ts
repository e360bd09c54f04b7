// The rank that decides: picks tokens from logits, turns them into text and says when the text ends.
import { textStream } from '../data/text-stream.ts';
import { loadTokenizer } from '../data/tokenizer.ts';
import { philox } from '../runtime/kernels/local.ts';
import type { Ending, GenerateReport, WritingJob } from './job.ts';
import { pickToken } from './sampling.ts';
import { stopStrings } from './stop-strings.ts';

export interface Writer {
  /** The next token, and why the text ends with it if it does. `position`: how many tokens there are before it. */
  next(logits: ArrayLike<number>, position: number): { readonly token: number; readonly ending?: Ending };
  /** The whole text; a stop string may have become complete with what was held back. */
  end(): { readonly text: string; readonly ending?: Ending };
}

export function createWriter(job: WritingJob, report: (report: GenerateReport) => void): Writer {
  const stream = textStream(loadTokenizer(job.tokenizerPath));
  const stops = stopStrings(job.stop);
  let text = '';
  let found = false;
  /** What may be shown of what was written. */
  const shownOf = (written: string): string => {
    const { shown, stopped } = stops.push(written);
    text += shown;
    found = stopped;
    return shown;
  };
  return {
    next(logits, position) {
      const token = pickToken(logits, job.sampling, uniform(job.seed, position));
      if (token === job.stopToken) return { token, ending: 'stopToken' };
      report({ token, text: shownOf(stream.push(token)) });
      return found ? { token, ending: 'stopString' } : { token };
    },
    end() {
      if (found) return { text };
      // Half a character is text too.
      const last = shownOf(stream.end());
      const held = found ? '' : stops.end();
      text += held;
      if (last + held !== '') report({ text: last + held });
      return found ? { text, ending: 'stopString' } : { text };
    },
  };
}

/** A number in [0, 1) that depends on the seed and the position alone. */
export const uniform = (seed: number, position: number): number => philox([position, 0, 0, 0], [seed, 0])[0]! / 2 ** 32;
