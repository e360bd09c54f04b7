// Horizontal bars for the terminal: what parts a whole has.
import { paint, type Style } from './colour.ts';

export interface Bar {
  readonly name: string;
  readonly value: number;
  /** The value in words, such as `3.2 GB`. */
  readonly text: string;
}

export interface BarOptions {
  readonly bars: readonly Bar[];
  /** What a full bar stands for; the largest value when not given. */
  readonly full?: number;
  /** Columns of a full bar; 40 when not given. */
  readonly width?: number;
  readonly colour?: boolean;
}

const styles: readonly Style[] = ['cyan', 'yellow', 'magenta', 'green', 'blue', 'red'];
const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A line for each bar, without a newline at the end; each begins where those before it end, so that they add up to the whole. */
export function stackedBars({ bars, full, width = 40, colour = false }: BarOptions): string {
  const total = full ?? bars.reduce((sum, { value }) => sum + value, 0);
  const names = Math.max(0, ...bars.map(({ name }) => name.length));
  const texts = Math.max(0, ...bars.map(({ text }) => text.length));
  let before = 0;
  const lines = bars.map(({ name, value, text }, index) => {
    const start = Math.round((width * before) / total);
    before += value;
    const length = (width * value) / total;
    const whole = Math.floor(length);
    const blocks = '█'.repeat(whole) + eighths[Math.floor((length - whole) * 8)]!;
    const bar = paint(blocks, styles[index % styles.length]!, colour);
    return `${name.padEnd(names)}  ${text.padStart(texts)}  ${' '.repeat(start)}${bar}`.trimEnd();
  });
  return lines.join('\n');
}
