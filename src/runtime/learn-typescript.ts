// Lets a thread load a rank module that is written in TypeScript, where Node by itself cannot.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { fail } from '../errors.ts';

/** Node strips types from 22.18 on, but not of packages. */
const nodeCan = (url: string): boolean =>
  Boolean((process.features as { typescript?: unknown }).typescript) && !url.includes('/node_modules/');

/** @throws OPTION_INVALID where nothing can load it */
export async function learnTypeScript(url: string): Promise<void> {
  // From source this thread has learnt it already.
  if (!/\.[mc]?ts$/.test(url) || import.meta.url.endsWith('.ts') || nodeCan(url)) return;
  const { register } = await import(pathToFileURL(tsxBeside(url)).href);
  register();
}

function tsxBeside(url: string): string {
  try {
    // The form for `require` cannot register; that for `import` lies beside it.
    return createRequire(url)
      .resolve('tsx/esm/api')
      .replace(/\.cjs$/, '.mjs');
  } catch {
    return fail('OPTION_INVALID', {
      option: 'module',
      problem: `Node ${process.versions.node} cannot load the TypeScript of ${url}`,
      fix: 'install tsx, use Node 22.18 or later, or give the JavaScript that is compiled from it',
    });
  }
}
