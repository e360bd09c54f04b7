// The frame of a page: nothing outside it is loaded, which a browser is told to enforce.
import { html, type Markup } from './html.ts';
import { style } from './style.ts';

export const section = (heading: string, content: Markup): Markup => html`<section><h2>${heading}</h2>
${content}</section>
`;

/** What was asked: names and values. */
export const askedSection = (asked: readonly (readonly [name: string, value: string])[]): Markup =>
  section(
    'What was asked',
    html`<dl>${asked.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`,
  );

/** One of the few that a reader wants first. */
export const figure = (value: Markup, name: string): Markup => html`<div><dd>${value}</dd><dt>${name}</dt></div>`;

export const page = (title: string, body: Markup): string =>
  html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
<title>${title}</title>
${style}
</head>
<body>
${body}
</body>
</html>
`.markup;
