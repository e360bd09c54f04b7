// JSON from outside: parsed, and refused when an object names a key twice, because readers differ in which of the two they take, or
// the key __proto__, because copying it would give an object fields that it does not have.
import { broken, shown } from './broken.ts';

/** @throws CHECKPOINT_BROKEN when the text is not such JSON; `what` says what of the file it is. */
export function parseJson(path: string, text: string, what: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return broken(path, `${what} is not JSON`);
  }
  const problem = keyProblem(text);
  return problem === undefined ? value : broken(path, `${what} names ${problem}`);
}

/** What is wrong with a key of a valid JSON text, or undefined. */
function keyProblem(text: string): string | undefined {
  /** The keys so far of each object that is open; undefined for an array. */
  const open: (Set<string> | undefined)[] = [];
  let key: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      const end = endOfString(text, at);
      key = text.slice(at, end + 1);
      at = end;
    } else if (character === ':') {
      // Outside of a string a colon follows a key; escapes may spell one key in two ways.
      const name: string = key!.includes('\\') ? JSON.parse(key!) : key!.slice(1, -1);
      const keys = open.at(-1)!;
      if (keys.has(name)) return `"${shown(name)}" twice`;
      if (name === '__proto__') return `"${name}", which is no name`;
      keys.add(name);
    } else if (character === '{') open.push(new Set());
    else if (character === '[') open.push(undefined);
    else if (character === '}' || character === ']') open.pop();
  }
  return undefined;
}

/** The place of the quote that ends the string which begins at `start`: it has an even number of backslashes before it. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text[before] === '\\') before--;
    if ((end - before) % 2 === 1) return end;
  }
}
