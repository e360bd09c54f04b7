// Spoils inputs: values of JSON documents, bytes of files, words of command lines.
import type { Random } from './random.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What programs are seldom written for. */
const evil: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e-320,
  1e308,
  2147483648,
  4294967296,
  2 ** 53,
  '',
  '0',
  'constructor',
  '__proto__',
  'toString',
  '../../etc',
  '\u0000',
  'f16',
  'NaN',
  '💥'.repeat(3),
  'x'.repeat(100_000),
  [],
  {},
  [[[[[[]]]]]],
  { a: { b: { c: {} } } },
];

/** Every place in a document: the object or array, and the key. */
function placesIn(json: Json): { readonly holder: Json[] | { [key: string]: Json }; readonly key: string }[] {
  if (typeof json !== 'object' || json === null) return [];
  return Object.keys(json).flatMap((key) => [
    { holder: json, key },
    ...placesIn((json as { [key: string]: Json })[key]!),
  ]);
}

/** A document with one to three values replaced, removed, doubled or renamed; sometimes its text is cut. */
export function mutateJson(text: string, random: Random): string {
  const json = JSON.parse(text) as Json;
  for (let left = 1 + random.below(3); left > 0; left--) {
    const places = placesIn(json);
    if (places.length === 0) break;
    const { holder, key } = random.pick(places);
    const target = holder as { [key: string]: Json };
    const what = random.below(6);
    if (what === 0) Reflect.deleteProperty(target, key);
    else if (what === 1) target[`${key}_`] = target[key]!;
    else if (what === 2 && typeof target[key] === 'number')
      target[key] = (target[key] as number) * random.pick([-1, 0.5, 2, 3, 1000, 1e6]);
    else target[key] = structuredClone(random.pick(evil));
  }
  const spoiled = JSON.stringify(json);
  const what = random.below(12);
  if (what === 0) return spoiled.slice(0, random.below(spoiled.length));
  if (what === 1) return `\ufeff${spoiled}`;
  return spoiled;
}

/** Bytes with some flipped, cut, doubled or put in. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  switch (random.below(4)) {
    case 0:
      return copy.subarray(0, random.below(copy.length + 1));
    case 1:
      return Buffer.concat([copy, Buffer.from(Array.from({ length: 1 + random.below(64) }, () => random.below(256)))]);
    case 2: {
      // The front: lengths and headers.
      for (let left = 1 + random.below(4); left > 0; left--)
        copy[random.below(Math.min(64, copy.length))] = random.below(256);
      return copy;
    }
    default:
      for (let left = 1 + random.below(16); left > 0; left--) copy[random.below(copy.length)]! ^= 1 << random.below(8);
      return copy;
  }
}

/** Words that an option may be followed by. */
export const evilWords = [
  '',
  '-1',
  '0',
  '1e999',
  'NaN',
  'Infinity',
  '1.5',
  '2147483648',
  '9007199254740993',
  '0x10',
  '1,2,3',
  'true',
  '__proto__',
  'constructor',
  'tp=0',
  'tp=2,tp=2',
  'tp=99999999999',
  'pp=2,stages=1+1+1',
  '../../..',
  '/dev/null',
  '/dev/zero',
  '/proc/self/mem',
  '\u0000',
  ' ',
  'é́',
  'x'.repeat(5000),
] as const;
