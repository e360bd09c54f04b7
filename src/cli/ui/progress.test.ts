// The bar's line at several widths, the plain lines, and what each kind of stream gets.
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { barLine, createProgress, plainLine, type Shown } from './progress.ts';

const shown: Shown = {
  label: 'train',
  step: 90,
  total: 200,
  loss: 2.34567,
  tokensPerSecond: 12_345,
  flopsPerSecond: 83.14e9,
  seconds: 100,
  secondsLeft: 125,
};

test('the bar at several widths', () => {
  expect(barLine(shown, 120)).toBe(
    'train █████████░░░░░░░░░░░  45 %  step  90/200  loss 2.3457  2 min 05 s left  12.3 k tok/s  83.1 GFLOP/s',
  );
  expect(barLine(shown, 80)).toBe('train ██████░░░░░░░  45 %  step  90/200  loss 2.3457  2 min 05 s left');
  expect(barLine(shown, 40)).toBe('train █████░░░░░  45 %  step  90/200');
  for (let width = 25; width < 200; width++) expect(barLine(shown, width).length).toBeLessThan(width);
});

test('the bar before the first step and after the last', () => {
  const begin = { label: 'train', step: 0, total: 8, seconds: 0, secondsLeft: Number.NaN };
  expect(barLine(begin, 80)).toBe('train ░░░░░░░░░░░░░   0 %  step 0/8  ? left');
  expect(barLine({ ...begin, step: 8, seconds: 61 }, 80)).toBe('train █████████████ 100 %  step 8/8  took 1 min 01 s');
});

test('the plain line', () => {
  expect(plainLine(shown)).toBe('train 45.0 %  step  90/200  loss 2.3457  2 min 05 s left  12.3 k tok/s  83.1 GFLOP/s');
});

/** A run of so many steps, each of which takes so long on the clock; what the stream got. */
function run(total: number, stepSeconds: number, stream: PassThrough & { isTTY?: boolean }, from = 0): string {
  let seconds = 0;
  const progress = createProgress({ total, from, stream, clockSeconds: () => seconds });
  for (let step = from + 1; step <= total; step++) {
    seconds += stepSeconds;
    progress.update({ step, loss: 8 / step });
    if (step === 5) progress.note('saved step 5');
  }
  progress.stop();
  return String(stream.read() ?? '');
}

test('a pipe gets a line every tenth of the steps', () => {
  const lines = run(40, 0.1, new PassThrough()).trimEnd().split('\n');
  expect(lines).toEqual([
    'train 10.0 %  step  4/40  loss 2.0000  3.60 s left',
    'saved step 5',
    'train 20.0 %  step  8/40  loss 1.0000  3.20 s left',
    'train 30.0 %  step 12/40  loss 0.6667  2.80 s left',
    'train 40.0 %  step 16/40  loss 0.5000  2.40 s left',
    'train 50.0 %  step 20/40  loss 0.4000  2.00 s left',
    'train 60.0 %  step 24/40  loss 0.3333  1.60 s left',
    'train 70.0 %  step 28/40  loss 0.2857  1.20 s left',
    'train 80.0 %  step 32/40  loss 0.2500  800 ms left',
    'train 90.0 %  step 36/40  loss 0.2222  400 ms left',
    'train 100.0 %  step 40/40  loss 0.2000  took 4.00 s',
  ]);
});

test('a pipe gets a line every ten seconds when steps are slow', () => {
  const lines = run(1000, 6, new PassThrough(), 990).trimEnd().split('\n');
  expect(lines.map((line) => line.slice(0, line.indexOf('  loss')))).toEqual(
    [992, 994, 996, 998, 1000].map(
      (step) => `train ${(step / 10).toFixed(1)} %  step ${String(step).padStart(4)}/1000`,
    ),
  );
  expect(lines[0]).toContain('48.0 s left');
});

test('the last step is always shown, once', () => {
  const lines = run(11, 0.1, new PassThrough()).trimEnd().split('\n');
  expect(lines.filter((line) => line.includes('step 11/11'))).toHaveLength(1);
  expect(lines.at(-1)).toContain('step 11/11');
});

test('a terminal gets the bar, notes above it, and the last state at the end', () => {
  const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  const output = run(7, 0.1, terminal);
  expect(output).toContain('\r\x1b[2Ksaved step 5\n');
  expect(output.slice(output.lastIndexOf('train'))).toContain(
    'train █████████████ 100 %  step 7/7  loss 1.1429  took 700 ms',
  );
  expect(output.endsWith('\n')).toBe(true);
  // Neither wrapping nor the cursor is switched off, so that an interrupted run leaves the terminal as it was.
  expect(output).not.toContain('\x1b[?');
});
