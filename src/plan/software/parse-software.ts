// Software as the command line names it: a framework, and what is switched on or off in it: `nemo`, `torchtitan,compile`.
import { fail } from '../../errors.ts';
import { frameworks, type SoftwareChange, switches } from './frameworks.ts';
import { currentSoftware, type Software } from './software.ts';

/** Nothing but the stack that predictions take unless they are told otherwise. */
export const tuned = 'tuned';

export const softwareNames: readonly string[] = [tuned, ...frameworks.map(({ name }) => name)];
export const switchNames: readonly string[] = switches.map(({ name }) => name);

/** @throws OPTION_INVALID; `option`: its name. */
export function parseSoftware(text: string, option: string): Software {
  const [name = '', ...words] = text
    .toLowerCase()
    .split(',')
    .map((each) => each.trim());
  const invalid = (word: string, fix: string): never =>
    fail('OPTION_INVALID', { option, problem: `"${word}" is no software that is known`, fix });
  const framework: SoftwareChange =
    name === tuned ? {} : (doneBy(frameworks, name) ?? invalid(name, `use one of ${softwareNames.join(', ')}`));
  const changes = words.map(
    (word) => doneBy(switches, word) ?? invalid(word, `after ${name} use ${switchNames.join(', ')}`),
  );
  return Object.assign({}, currentSoftware, framework, ...changes) as Software;
}

const doneBy = (
  all: readonly { readonly name: string; readonly does: SoftwareChange }[],
  name: string,
): SoftwareChange | undefined => all.find((each) => each.name === name)?.does;

/** Where it differs from what is customary today. */
export const changeOf = (software: Software): SoftwareChange =>
  Object.fromEntries(
    Object.entries(software).filter(([key, value]) => `${value}` !== `${currentSoftware[key as keyof Software]}`),
  );
