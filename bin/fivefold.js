#!/usr/bin/env node
// The fivefold command: runs the built program. In a checkout, which has the tools to build it, it is built first if src/ has changed.
import { existsSync } from 'node:fs';

const tools = new URL('../tools/build.mjs', import.meta.url);
if (existsSync(tools)) {
  const { buildIfStale } = await import(tools.href);
  try {
    await buildIfStale(() => process.stderr.write('fivefold: building dist/, some seconds ...\n'));
  } catch (error) {
    const cannotWrite = ['EACCES', 'EPERM', 'EROFS'].includes(error.code);
    const problem = cannotWrite
      ? `dist/ is older than src/ and this folder cannot be written to (${error.code}); build it as its owner: npm run build`
      : error.message;
    process.stderr.write(`fivefold: ${problem}\n`);
    process.exit(1);
  }
}
const { runProcess } = await import(new URL('../dist/cli/process.js', import.meta.url).href);
await runProcess();
