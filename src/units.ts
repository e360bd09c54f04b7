// Quantities for people: three significant digits, a unit, decimal prefixes unless the name says binary.

/** E.g. `512 B`, `1.25 GB` (1 GB = 10^9 bytes). */
export const formatBytes = (bytes: number): string => withPrefix(bytes, 'B', 1000, ['', 'k', 'M', 'G', 'T', 'P']);

/** E.g. `512 B`, `1.16 GiB` (1 GiB = 2^30 bytes). */
export const formatBinaryBytes = (bytes: number): string =>
  withPrefix(bytes, 'B', 1024, ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi']);

/** Operations, e.g. `6.02 PFLOP`. */
export const formatFlops = (flops: number): string => withPrefix(flops, 'FLOP', 1000, decimal);

/** Operations a second, e.g. `83.1 GFLOP/s`. */
export const formatFlopsPerSecond = (flopsPerSecond: number): string =>
  withPrefix(flopsPerSecond, 'FLOP/s', 1000, decimal);

/** How many, e.g. `950`, `12.3 k`, `1.24 B` (10^9: parameters and tokens are counted so). */
export const formatCount = (count: number): string => withPrefix(count, '', 1000, ['', 'k', 'M', 'B', 'T']);

/** A share of 1, e.g. `27.3 %`. */
export const formatPercent = (fraction: number): string =>
  Number.isFinite(fraction) ? `${(fraction * 100).toFixed(1)} %` : unknown;

/** E.g. `48.2 µs`, `1.50 s`, `2 min 05 s`, `3 h 07 min`, `2 d 04 h`. */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return unknown;
  if (seconds < 0) return `-${formatSeconds(-seconds)}`;
  if (seconds === 0) return '0 s';
  // Units change where rounding to three digits would.
  if (seconds < 999.5e-9) return `${threeDigits(seconds * 1e9)} ns`;
  if (seconds < 999.5e-6) return `${threeDigits(seconds * 1e6)} µs`;
  if (seconds < 999.5e-3) return `${threeDigits(seconds * 1e3)} ms`;
  if (seconds < 59.95) return `${threeDigits(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return pair(whole, 60, 'min', 's');
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return pair(minutes, 60, 'h', 'min');
  return pair(Math.round(seconds / 3600), 24, 'd', 'h');
}

/** What is shown for a number that is not known (NaN) or without end. */
const unknown = '?';
const decimal = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];

function withPrefix(value: number, unit: string, base: number, prefixes: readonly string[]): string {
  if (!Number.isFinite(value)) return unknown;
  const sign = value < 0 ? '-' : '';
  let scaled = Math.abs(value);
  let step = 0;
  // A value that three digits would round up to the next prefix gets that prefix.
  while (step + 1 < prefixes.length && scaled >= (base === 1000 ? 999.5 : base)) {
    scaled /= base;
    step++;
  }
  const number = step === 0 && Number.isInteger(scaled) ? String(scaled) : threeDigits(scaled);
  return `${sign}${number} ${prefixes[step]}${unit}`.trimEnd();
}

/** `1.25`, `12.5`, `125`, `1250`: three significant digits, but never digits that stand for nothing. */
function threeDigits(value: number): string {
  if (value === 0) return '0';
  if (value < 9.995) return value.toFixed(2);
  return value.toFixed(value < 99.95 ? 1 : 0);
}

function pair(count: number, size: number, large: string, small: string): string {
  return `${Math.floor(count / size)} ${large} ${String(count % size).padStart(2, '0')} ${small}`;
}
