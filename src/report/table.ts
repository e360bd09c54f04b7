// A table of a page; one that is wider than the page is scrolled, by keys too.
import { type Content, html, type Markup } from './html.ts';

export interface PageTable {
  /** What the table is of, for those who do not see where it stands. */
  readonly label: string;
  readonly head: readonly Content[];
  /** The first cell of a row says what the row is of. */
  readonly rows: readonly (readonly Content[])[];
  /** Columns whose cells are words, to the left; the others are numbers, to the right. */
  readonly words?: readonly number[];
}

export function table({ label, head, rows, words = [] }: PageTable): Markup {
  const side = (column: number): string => (words.includes(column) ? 'words' : 'number');
  return html`<div class="wide" role="region" aria-label="${label}" tabindex="0"><table>
<thead><tr>${head.map((cell, i) => html`<th scope="col" class="${side(i)}">${cell}</th>`)}</tr></thead>
<tbody>${rows.map(
    (cells) => html`<tr>${cells.map((cell, i) =>
      i === 0 ? html`<th scope="row" class="${side(i)}">${cell}</th>` : html`<td class="${side(i)}">${cell}</td>`,
    )}</tr>
`,
  )}</tbody>
</table></div>`;
}
