// Quantities as people write them: `15T` tokens, `8M`, `90d`, `50ms`. The other way round is src/units.ts.

const multiples: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  thousand: 1e3,
  m: 1e6,
  million: 1e6,
  b: 1e9,
  bn: 1e9,
  g: 1e9,
  billion: 1e9,
  t: 1e12,
  trillion: 1e12,
};

const seconds: Readonly<Record<string, number>> = {
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  '': 1,
  s: 1,
  sec: 1,
  second: 1,
  min: 60,
  minute: 60,
  h: 3600,
  hour: 3600,
  d: 86_400,
  day: 86_400,
  w: 7 * 86_400,
  week: 7 * 86_400,
  month: 30 * 86_400,
  year: 365 * 86_400,
};

/** A number with or without thousands set apart by commas, as a part of a regular expression. */
export const numberForm = String.raw`(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?`;

/** The names of multiples and of units of time, the longest first, each as a part of a regular expression. */
export const multipleForm = namesOf(multiples).join('|');
export const timeForm = namesOf(seconds)
  .map((name) => (name.length > 2 ? `${name}s?` : name))
  .join('|');

function namesOf(of: Readonly<Record<string, number>>): string[] {
  return Object.keys(of)
    .filter((name) => name !== '')
    .sort((a, b) => b.length - a.length);
}

const plainNumber = (digits: string): number => Number(digits.replaceAll(',', ''));

const countText = new RegExp(`^(${numberForm})\\s*(${multipleForm})?$`, 'i');
const secondsText = new RegExp(`^(${numberForm})\\s*(${timeForm})?$`, 'i');

/** How many: `8M` is eight million, `15T` fifteen trillion; undefined for what is none. */
export function parseCount(text: string): number | undefined {
  const [, digits, multiple = ''] = countText.exec(text.trim()) ?? [];
  return digits === undefined ? undefined : plainNumber(digits) * multiples[multiple.toLowerCase()]!;
}

/** Seconds: `90d`, `50ms`, `1.5 hours`; undefined for what is no time. */
export function parseSeconds(text: string): number | undefined {
  const [, digits, unit = ''] = secondsText.exec(text.trim()) ?? [];
  if (digits === undefined) return undefined;
  const name = unit.toLowerCase();
  return plainNumber(digits) * (seconds[name] ?? seconds[name.replace(/s$/, '')])!;
}
