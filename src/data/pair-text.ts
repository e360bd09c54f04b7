// A line of preference data as three texts: what was asked, the better answer and the worse one.
import { fail, option } from '../errors.ts';
import { type ChatMessage, type ChatTemplate, messageOf } from './chat-template.ts';

export interface PairText {
  readonly prompt: string;
  /** What follows the prompt. */
  readonly chosen: string;
  readonly rejected: string;
  /** Made by a chat template, which says where the answer ends and how the text begins. */
  readonly templated: boolean;
}

/** Where a pair stands, for messages. */
export interface LinePlace {
  readonly path: string;
  readonly line: number;
}

/** Ends with DATA_MISSING for this line. */
export const refuseLine = ({ path, line }: LinePlace, problem: string, fix: string): never =>
  fail('DATA_MISSING', { path, problem: `line ${line}: ${problem}`, fix });

const form = 'give every line "prompt", "chosen" and "rejected": strings, or arrays of {"role", "content"}';
const leaveOut = 'repair or remove that line';

type Spoken = string | readonly ChatMessage[];

/**
 * The pair of a line. Completions are strings, or messages for the template. Without a prompt, or with one that is a string
 * beside messages, what both completions begin with is the prompt: their first messages, or characters up to a space.
 * @throws DATA_MISSING, naming the line
 */
export function pairText(value: unknown, template: ChatTemplate | undefined, place: LinePlace): PairText {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuseLine(place, 'it is no object', form);
  const given = value as Readonly<Record<string, unknown>>;
  const chosen = spoken('chosen', given.chosen, place) ?? refuseLine(place, 'it has no "chosen"', form);
  const rejected = spoken('rejected', given.rejected, place) ?? refuseLine(place, 'it has no "rejected"', form);
  if (JSON.stringify(chosen) === JSON.stringify(rejected))
    refuseLine(place, '"chosen" and "rejected" are equal, so nothing is preferred', leaveOut);
  const prompt = spoken('prompt', given.prompt, place);
  if (typeof chosen === 'string' && typeof rejected === 'string')
    return typeof prompt === 'object' ? mixed(place) : ofStrings(prompt, chosen, rejected, place);
  if (typeof chosen === 'string' || typeof rejected === 'string') return mixed(place);
  return ofMessages(prompt, chosen, rejected, template, place);
}

const mixed = (place: LinePlace): never =>
  refuseLine(place, 'some of it are strings and some are messages', 'write all three alike');

function spoken(name: string, value: unknown, place: LinePlace): Spoken | undefined {
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  const isMessage = (each: unknown): each is ChatMessage =>
    typeof each === 'object' && each !== null && 'role' in each && typeof each.role === 'string';
  if (Array.isArray(value) && value.every(isMessage)) return value;
  return refuseLine(place, `"${name}" is neither a string nor a list of {"role", "content"}`, form);
}

function ofStrings(prompt: string | undefined, chosen: string, rejected: string, place: LinePlace): PairText {
  const start = prompt === undefined ? sharedStart(chosen, rejected) : 0;
  const text = {
    prompt: prompt ?? chosen.slice(0, start),
    chosen: chosen.slice(start),
    rejected: rejected.slice(start),
    templated: false,
  };
  checkCompletions(text, place);
  return text;
}

/** A space goes with the word after it, and a character of two units is not cut. */
function sharedStart(a: string, b: string): number {
  const end = commonLength(a, b);
  return a[end - 1] === ' ' || /[\ud800-\udbff]/.test(a[end - 1] ?? '') ? end - 1 : end;
}

function commonLength(a: ArrayLike<unknown>, b: ArrayLike<unknown>): number {
  let end = 0;
  while (end < a.length && end < b.length && a[end] === b[end]) end++;
  return end;
}

function checkCompletions({ chosen, rejected }: PairText, place: LinePlace): void {
  for (const [name, text] of Object.entries({ chosen, rejected }))
    if (text === '') refuseLine(place, `nothing of "${name}" follows the prompt`, leaveOut);
}

function ofMessages(
  prompt: Spoken | undefined,
  chosen: readonly ChatMessage[],
  rejected: readonly ChatMessage[],
  template: ChatTemplate | undefined,
  place: LinePlace,
): PairText {
  if (!template)
    return refuseLine(
      place,
      'it holds messages, and there is no chat template beside the tokenizer',
      `give ${option('tokenizer')} the folder of a chat model, which has one in chat_template.jinja or tokenizer_config.json, or write strings`,
    );
  const own = typeof prompt === 'object' ? prompt : undefined;
  const shared = own ? 0 : commonLength(chosen.map(asText), rejected.map(asText));
  const asked = own ?? chosen.slice(0, shared);
  if (asked.length === 0)
    refuseLine(place, 'there is no prompt in messages, and the answers share no first message', form);
  const answers = [chosen.slice(shared), rejected.slice(shared)] as const;
  for (const [at, answer] of answers.entries())
    if (answer.length === 0)
      refuseLine(place, `no message of "${['chosen', 'rejected'][at]}" follows the prompt`, leaveOut);
  const render = (messages: readonly ChatMessage[], forAnswer: boolean): string => {
    try {
      return template.render(messages, forAnswer);
    } catch (error) {
      return refuseLine(
        place,
        `the chat template of ${template.path} does not take it (${messageOf(error)})`,
        leaveOut,
      );
    }
  };
  const start = render(asked, asked.at(-1)!.role !== 'assistant');
  const [whole, other] = answers.map((answer) => render([...asked, ...answer], false)) as [string, string];
  // What opens an answer need not be in all of them: a template may open it with thoughts that these have none of.
  const end = Math.min(commonLength(start, whole), commonLength(start, other));
  const text = { prompt: start.slice(0, end), chosen: whole.slice(end), rejected: other.slice(end), templated: true };
  checkCompletions(text, place);
  if (text.chosen === text.rejected)
    refuseLine(place, 'the chat template makes the same text of "chosen" and "rejected"', leaveOut);
  return text;
}

const asText = (message: ChatMessage): string => JSON.stringify(message);
