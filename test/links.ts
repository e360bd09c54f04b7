// The links of a Markdown page, and which of them lead nowhere.
import { posix } from 'node:path';

/** A heading's anchor, as GitHub makes it. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');

/** Links and pictures of the text outside code, without addresses of other sites. */
function relativeLinks(markdown: string): string[] {
  const text = markdown.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
  const inline = [...text.matchAll(/\]\(\s*<?([^)\s>]+)/g)].map((match) => match[1]!);
  const references = [...text.matchAll(/^\s*\[[^\]]+\]:\s*<?([^\s>]+)/gm)].map((match) => match[1]!);
  return [...inline, ...references].filter((link) => !/^[a-z][a-z+.-]*:/i.test(link));
}

/** `read` gives a file of the package, undefined if it has none of that name; `files` are all its names. */
export function brokenLinks(
  page: string,
  files: readonly string[],
  read: (file: string) => string | undefined,
): readonly string[] {
  const exists = (path: string) => files.some((file) => file === path || file.startsWith(`${path}/`));
  return relativeLinks(read(page) ?? '').filter((link) => {
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : posix.join(posix.dirname(page), decodeURI(path)).replace(/\/$/, '');
    if (!exists(target)) return true;
    if (anchor === undefined) return false;
    const headings = [...(read(target) ?? '').matchAll(/^#+\s+(.*)$/gm)].map((match) => anchorOf(match[1]!));
    return !headings.includes(anchor);
  });
}
