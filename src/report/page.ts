// The frame of a page: nothing outside it is loaded, which a browser is told to enforce.
import { html, type Markup } from './html.ts';
import { style } from './style.ts';

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
