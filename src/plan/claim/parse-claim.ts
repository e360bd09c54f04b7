// Sentences about the speed of training, such as `8M tokens/s on 1024 H100`: what they say, in units.
import { multipleForm, numberForm, parseCount, parseSeconds, timeForm } from '../quantities.ts';

/** What is said to be reached. */
export type ClaimedSpeed =
  /** Of all devices. */
  | { readonly kind: 'tokensPerSecond'; readonly value: number }
  | { readonly kind: 'tokensPerSecondPerDevice'; readonly value: number }
  /** FLOP/s of one device. */
  | { readonly kind: 'flopsPerSecondPerDevice'; readonly value: number }
  /** A share of the peak. */
  | { readonly kind: 'mfu'; readonly value: number }
  | { readonly kind: 'whole'; readonly tokens: number; readonly seconds: number };

export interface Claim {
  readonly speed: ClaimedSpeed;
  /** `1024xh100`; undefined: it names no devices. */
  readonly cluster?: string;
  /** What it says beside this that is a claim of its own: another speed, or other devices. */
  readonly another?: string;
  /** What of the sentence nothing was made of. */
  readonly unread: readonly string[];
}

const count = `(${numberForm})\\s*(${multipleForm})?`;
const devices = `(?:gpus?|devices?|accelerators?|chips?|tpus?)`;
const each = String.raw`\s*(?:\/|per|a|an|each)\s*`;
const second = `(?:s|sec|secs|second|seconds)`;
const perDevice = `(?:${each}${devices})`;

/** Spellings of each kind of speed: how they are found, and what they come to. The first that is found counts. */
const spellings: readonly {
  readonly form: RegExp;
  readonly read: (found: RegExpExecArray) => ClaimedSpeed | undefined;
}[] = [
  {
    form: new RegExp(
      String.raw`(${numberForm}\s*(?:${multipleForm})?)\s*(?:tokens?|toks?)\b.*?\b(?:in|within|over)\s*(${numberForm}\s*(?:${timeForm}))\b`,
      'i',
    ),
    read: ([, tokens, seconds]) => {
      const [many, long] = [parseCount(tokens!), parseSeconds(seconds!)];
      return many === undefined || long === undefined ? undefined : { kind: 'whole', tokens: many, seconds: long };
    },
  },
  {
    form: new RegExp(
      String.raw`${count}\s*(?:tokens?|toks?|tps)(?:${each}${second})?${perDevice}(?:${each}${second})?`,
      'i',
    ),
    read: ([, number, multiple]) => countOf('tokensPerSecondPerDevice', number, multiple),
  },
  {
    form: new RegExp(String.raw`${count}\s*(?:(?:tokens?|toks?)${each}${second}|tps)\b`, 'i'),
    read: ([, number, multiple]) => countOf('tokensPerSecond', number, multiple),
  },
  {
    form: new RegExp(String.raw`(${numberForm})\s*([tp])(?:era|eta)?flops?(?:\/s|ps)?${perDevice}?(?!\w)`, 'i'),
    read: ([, number, prefix]) => {
      const value = parseCount(number!)! * (prefix!.toLowerCase() === 't' ? 1e12 : 1e15);
      return { kind: 'flopsPerSecondPerDevice', value };
    },
  },
  {
    form: new RegExp(
      String.raw`(${numberForm})\s*%\s*(?:of\s+)?(?:mfu|model flops? utili[sz]ation|utili[sz]ation|(?:the\s+)?peak)`,
      'i',
    ),
    read: ([, number]) => ({ kind: 'mfu', value: parseCount(number!)! / 100 }),
  },
  {
    form: new RegExp(String.raw`\b(?:mfu|utili[sz]ation)\s*(?:of|=|:|is)?\s*(${numberForm})\s*(%?)`, 'i'),
    read: ([, number, percent]) => {
      const value = parseCount(number!)!;
      return { kind: 'mfu', value: percent || value > 1 ? value / 100 : value };
    },
  },
];

const countOf = (
  kind: 'tokensPerSecond' | 'tokensPerSecondPerDevice',
  number: string | undefined,
  multiple: string | undefined,
): ClaimedSpeed => ({ kind, value: parseCount(`${number}${multiple ?? ''}`)! });

/** `1024 H100`, `1,024 x H100 GPUs`, `8xh100`, `2048 A100-80GB@roce-400`. */
const clusterForm =
  /(\d{1,3}(?:,\d{3})+|\d+)\s*(?:x|×|\*)?\s*(?:nvidia\s+|amd\s+|google\s+)?((?:rtx[ -]?)?(?:[a-z]{1,3}\d{2,4}[a-z]?|tpu[ -]?v\d[a-z]?|v\d[a-z])(?:-[a-z0-9]+)*)(@[\w-]+)?(?:[ -](sxm\d?|pcie|nvl)\b)?/i;

/** Undefined where the sentence says no speed. */
export function parseClaim(sentence: string): Claim | undefined {
  const place = clusterForm.exec(sentence);
  const rest = place ? sentence.replace(place[0], ' ') : sentence;
  const said = speedIn(rest);
  if (!said) return undefined;
  const left = rest.replace(said.text, ' ');
  const another = speedIn(left)?.text ?? (place ? clusterForm.exec(left)?.[0] : undefined);
  const cluster =
    place &&
    `${place[1]!.replaceAll(',', '')}x${[place[2], place[4]].filter(Boolean).join('-').toLowerCase()}${place[3] ?? ''}`;
  return {
    speed: said.speed,
    ...(cluster ? { cluster } : {}),
    ...(another === undefined ? {} : { another: another.trim() }),
    unread: wordsOf(left),
  };
}

/** The first speed by the order of spellings, and how it is written. */
function speedIn(text: string): { readonly speed: ClaimedSpeed; readonly text: string } | undefined {
  for (const { form, read } of spellings) {
    const found = form.exec(text);
    const speed = found && read(found);
    if (found && speed && isSomething(speed) && text[found.index - 1] !== '-') return { speed, text: found[0] };
  }
  return undefined;
}

/** Nobody claims to reach nothing. */
const isSomething = (speed: ClaimedSpeed): boolean =>
  speed.kind === 'whole' ? speed.tokens > 0 && speed.seconds > 0 : speed.value > 0;

/** Words that change nothing. */
const fillers = new Set(
  'a an and at by can claim claims claimed could each every for from gpu gpus device devices in is it its mfu model of on our over per reach reaches reached run runs s second seconds that the their to train trained training trains tokens token using utilisation utilization was we were with within x'.split(
    ' ',
  ),
);

const wordsOf = (rest: string): string[] =>
  rest.split(/[\s,;:()]+/).filter((word) => /\w/.test(word) && !fillers.has(word.toLowerCase().replace(/\.$/, '')));
