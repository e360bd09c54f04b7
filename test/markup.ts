// A strict reader of pages: every element closed in order, every attribute quoted, every & an entity; what is wrong is an error.

export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: (Element | string)[];
}

const tag = /<(\/?)([a-z][a-z0-9]*)((?:\s+[a-z][a-z0-9-]*="[^"<]*")*)\s*(\/?)>/iy;
const attribute = /([a-z][a-z0-9-]*)="([^"<]*)"/gi;
const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

const textOf = (text: string): string =>
  text.replace(/&([^;\s]*;)?/g, (found, name: string | undefined) => {
    const sign = entities[name?.slice(0, -1) ?? ''];
    if (sign === undefined) throw new Error(`"${found}" is no entity`);
    return sign;
  });

export function readPage(page: string): Element {
  const doctype = '<!DOCTYPE html>';
  if (!page.startsWith(doctype)) throw new Error('no doctype');
  const root: Element = { name: '', attributes: {}, children: [] };
  const open = [root];
  let at = doctype.length;
  while (at < page.length) {
    const inside = open.at(-1)!;
    // A style sheet is text up to its end.
    const next = page.indexOf(inside.name === 'style' ? '</style' : '<', at);
    const end = next < 0 ? page.length : next;
    if (end > at) inside.children.push(inside.name === 'style' ? page.slice(at, end) : textOf(page.slice(at, end)));
    at = end;
    if (at === page.length) break;
    tag.lastIndex = at;
    const found = tag.exec(page);
    if (!found) throw new Error(`no tag: ${page.slice(at, at + 80)}`);
    const [whole, closes, name, given, empty] = found as unknown as [string, string, string, string, string];
    at += whole.length;
    if (closes) {
      if (open.pop()!.name !== name) throw new Error(`</${name}> closes <${inside.name}>`);
      continue;
    }
    const attributes = Object.fromEntries(
      [...given.matchAll(attribute)].map(([, key, value]) => [key!, textOf(value!)]),
    );
    const element: Element = { name, attributes, children: [] };
    inside.children.push(element);
    if (!empty) open.push(element);
  }
  if (open.length > 1) throw new Error(`<${open.at(-1)!.name}> is not closed`);
  return root;
}

/** Elements of this name (all without one), in the page's order. */
export const elementsOf = (inside: Element, name?: string): Element[] =>
  inside.children.flatMap((child) =>
    typeof child === 'string'
      ? []
      : [...(name === undefined || child.name === name ? [child] : []), ...elementsOf(child, name)],
  );

/** What is read of it. */
export const readText = (inside: Element): string =>
  inside.children.map((child) => (typeof child === 'string' ? child : readText(child))).join('');
