#!/usr/bin/env node
// The fivefold command: runs the built program. A fresh checkout is built first.
import { existsSync } from 'node:fs';

const built = new URL('../dist/cli/process.js', import.meta.url);
if (!existsSync(built) && existsSync(new URL('../tools/build.mjs', import.meta.url))) {
  process.stderr.write('fivefold: building dist/ once, some seconds ...\n');
  await import('../tools/build.mjs');
}
const { runProcess } = await import(built.href);
await runProcess();
