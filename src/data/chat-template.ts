// A model's chat template: how messages become the text that it was trained on.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Template } from '@huggingface/jinja';
import { z } from 'zod';
import { fail } from '../errors.ts';
import { maxBytes, readJson } from '../files/json-file.ts';
import { type Refusal, readWhole } from '../files/regular-file.ts';

/** As data have them; a template may read more of it than these two. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: unknown;
}

export interface ChatTemplate {
  /** The file that it is from. */
  readonly path: string;
  /**
   * The messages as text. `forAnswer`: it ends where the assistant's next message begins.
   * @throws Error as the template says, for messages that it does not take
   */
  render(messages: readonly ChatMessage[], forAnswer: boolean): string;
}

const specialToken = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const configSchema = z.looseObject({
  chat_template: z.union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))]).nullish(),
  bos_token: specialToken,
  eos_token: specialToken,
  unk_token: specialToken,
  pad_token: specialToken,
});
type Config = z.infer<typeof configSchema>;

/**
 * The template beside a tokenizer: chat_template.jinja, or else that of tokenizer_config.json (of several, the default).
 * @param tokenizer a tokenizer.json; undefined: there is none
 * @throws CONFIG_INVALID when one of these files cannot be read or the template cannot be parsed
 */
export function loadChatTemplate(tokenizer: string | undefined): ChatTemplate | undefined {
  if (tokenizer === undefined) return undefined;
  const [file, configFile] = ['chat_template.jinja', 'tokenizer_config.json'].map((name) =>
    join(dirname(tokenizer), name),
  ) as [string, string];
  const config = existsSync(configFile) ? readConfig(configFile) : {};
  if (existsSync(file)) {
    const text = readWhole(file, maxBytes.config, (refusal) => invalid(file, refusal)).toString('utf8');
    return parse(file, text, config);
  }
  const text = templateOf(config);
  return text === undefined ? undefined : parse(configFile, text, config);
}

function invalid(path: string, { problem, fix = 'give the file of a Hugging Face model' }: Partial<Refusal>): never {
  return fail('CONFIG_INVALID', { path, problem, fix });
}

function readConfig(path: string): Config {
  const parsed = configSchema.safeParse(readJson(path, maxBytes.config, (refusal) => invalid(path, refusal)));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  return invalid(path, { problem: `it is not of the expected form (${issue?.path.join('.')}: ${issue?.message})` });
}

function templateOf({ chat_template: given }: Config): string | undefined {
  if (given === undefined || given === null || typeof given === 'string') return given ?? undefined;
  return (given.find(({ name }) => name === 'default') ?? given[0])?.template;
}

function parse(path: string, text: string, config: Config): ChatTemplate {
  let template: Template;
  try {
    template = new Template(text);
  } catch (error) {
    const problem = `its chat template cannot be parsed (${messageOf(error)})`;
    return invalid(path, { problem, fix: 'repair it, or give the data as plain strings' });
  }
  const names = ['bos_token', 'eos_token', 'unk_token', 'pad_token'] as const;
  const tokens = Object.fromEntries(
    names.flatMap((name) => {
      const token = config[name];
      return token === undefined || token === null ? [] : [[name, typeof token === 'string' ? token : token.content]];
    }),
  );
  return {
    path,
    render: (messages, forAnswer) => template.render({ ...tokens, messages, add_generation_prompt: forAnswer }),
  };
}

/** One line of what a template or its parser says. */
export const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ');
