// Markup as template literals: what is put in is text, and escaped, unless it is markup itself.

/** Only {@link html} makes it. */
export interface Markup {
  readonly markup: string;
}

/** `undefined` is nothing. */
export type Content = string | number | Markup | readonly Markup[] | undefined;

/** E.g. html`<p title="${title}">${text}</p>`. Every element is closed and every attribute quoted, as in XML. */
export function html(texts: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  return { markup: texts.reduce((before, text, i) => before + markupOf(contents[i - 1]) + text) };
}

const markupOf = (content: Content): string => {
  if (content === undefined) return '';
  if (typeof content === 'object') return 'markup' in content ? content.markup : content.map(markupOf).join('');
  return escaped(`${content}`);
};

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => entities[sign]!);

/** The text of a layout, which may be broken after its commas. */
export const layoutText = (text: string): Markup =>
  html`<code>${text.split(',').map((setting, i) => html`${i > 0 ? html`,<wbr />` : undefined}${setting}`)}</code>`;

/** A number as people read it, and as it is: `<data value="1.0695">1.07 s</data>`. */
export const quantity = (value: number, text: string): Markup => html`<data value="${value}">${text}</data>`;
