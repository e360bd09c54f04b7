// The arrows between the folders of src/ point one way: every import is looked up in one table.
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

interface Unit {
  /** The folders of src/ it may import, besides itself and errors.ts. */
  readonly folders: readonly string[];
  /** The packages and Node modules it may import. */
  readonly outside: readonly string[] | 'all';
}

const program = ['mesh', 'program'];
const ops = [...program, 'ops'];
const model = [...ops, 'model'];
const schedule = [...model, 'schedule'];
const state = [...model, 'state'];
const step = [...schedule, 'state', 'step'];
const pure = [...step, 'plan'];
const effects = [
  'abort-signal.ts',
  'units.ts',
  'report',
  'files',
  'settings.ts',
  'runtime',
  'checkpoint',
  'data',
  'generate',
  'train',
];

/** What is pure names no package that does anything outside its own memory: it also runs in a browser. */
const units: Readonly<Record<string, Unit>> = {
  'errors.ts': { folders: [], outside: [] },
  'abort-signal.ts': { folders: [], outside: [] },
  'units.ts': { folders: [], outside: [] },
  'settings.ts': { folders: ['mesh'], outside: ['zod'] },
  files: { folders: [], outside: 'all' },
  mesh: { folders: [], outside: ['zod'] },
  program: { folders: program, outside: [] },
  ops: { folders: ops, outside: [] },
  model: { folders: model, outside: ['zod'] },
  schedule: { folders: schedule, outside: [] },
  state: { folders: state, outside: [] },
  step: { folders: step, outside: [] },
  plan: { folders: [...pure, 'units.ts'], outside: ['papaparse', 'zod'] },
  report: { folders: [...pure, 'report', 'units.ts'], outside: [] },
  runtime: { folders: [...pure, 'abort-signal.ts', 'settings.ts'], outside: 'all' },
  checkpoint: { folders: [...pure, 'files', 'runtime'], outside: 'all' },
  data: { folders: ['abort-signal.ts', 'files'], outside: 'all' },
  generate: {
    folders: [...pure, 'abort-signal.ts', 'files', 'settings.ts', 'runtime', 'checkpoint', 'data'],
    outside: 'all',
  },
  train: {
    folders: [...pure, 'abort-signal.ts', 'files', 'settings.ts', 'runtime', 'checkpoint', 'data', 'generate'],
    outside: 'all',
  },
  cli: { folders: [...pure, ...effects], outside: 'all' },
  'typed-program.ts': { folders: ops, outside: [] },
  'planner.ts': { folders: pure, outside: [] },
  'index.ts': { folders: [...pure, ...effects], outside: 'all' },
};

/** `import ... from 'x'`, `export ... from 'x'`, `import 'x'` and `import('x')`, over several lines too. */
const statement = /^\s*(?:import|export)\b[^'"`;()]*?\bfrom\s*(['"])([^'"]+)\1|^\s*import\s*(['"])([^'"]+)\3/gm;
const call = /\bimport\s*\(\s*(['"])([^'"]+)\1/g;

function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const found = [...code.matchAll(statement)].map((match) => match[2] ?? match[4]!);
  return [...found, ...[...code.matchAll(call)].map((match) => match[2]!)];
}

/** The folder, or the file directly under src/, that a path relative to src/ belongs to. */
const unitOf = (path: string): string => path.split('/')[0]!;

/** What is wrong with the imports of a file; `path` is relative to src/. */
function wrongArrows(path: string, text: string): string[] {
  const from = unitOf(path);
  const unit = units[from];
  if (!unit) return [`src/${path}: ${from} has no line in the table of test/imports.test.ts; add one`];
  return importsOf(text).flatMap((name) => {
    const wrong = (problem: string) => [`src/${path} imports '${name}': ${problem}`];
    if (!name.startsWith('.')) {
      if (unit.outside === 'all' || unit.outside.includes(name)) return [];
      return wrong(`${from} may import of Node and of packages ${unit.outside.join(', ') || 'nothing'}`);
    }
    const target = posix.join(posix.dirname(path), name);
    if (target.startsWith('../')) return wrong('it is outside src/');
    const to = unitOf(target);
    if (to === from || to === 'errors.ts' || unit.folders.includes(to)) return [];
    return wrong(
      `${from} may import ${unit.folders.filter((folder) => folder !== from).join(', ') || 'no other folder'}`,
    );
  });
}

test('every import under src/ follows the arrows', () => {
  const src = fileURLToPath(new URL('../src', import.meta.url));
  // Tests may use whatever proves their file.
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).map((file) => file.replaceAll('\\', '/'));
  const checked = files.filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));
  expect(checked.length).toBeGreaterThan(20);
  expect(checked.flatMap((file) => wrongArrows(file, readFileSync(`${src}/${file}`, 'utf8')))).toEqual([]);
});

/** The imports of every file, by path; with what only types need. */
function importGraph(files: readonly string[], read: (file: string) => string): Map<string, string[]> {
  const known = new Set(files);
  return new Map(
    files.map((file) => {
      const targets = importsOf(read(file)).map((name) => posix.join(posix.dirname(file), name));
      return [file, targets.filter((target) => known.has(target))];
    }),
  );
}

/** A path of imports that ends where it began, or undefined. */
function circleIn(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): string[] | undefined => {
    const at = path.indexOf(file);
    if (at >= 0) return [...path.slice(at), file];
    if (done.has(file)) return undefined;
    for (const target of graph.get(file) ?? []) {
      const circle = visit(target, [...path, file]);
      if (circle) return circle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const circle = visit(file, []);
    if (circle) return circle;
  }
  return undefined;
}

test('no file imports itself by way of others', () => {
  const src = fileURLToPath(new URL('../src', import.meta.url));
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).map((file) => file.replaceAll('\\', '/'));
  const checked = files.filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));
  expect(circleIn(importGraph(checked, (file) => readFileSync(`${src}/${file}`, 'utf8')))).toBeUndefined();
  const texts: Readonly<Record<string, string>> = {
    'a.ts': `import './b.ts'`,
    'b.ts': `import type { A } from './a.ts'`,
  };
  expect(circleIn(importGraph(Object.keys(texts), (file) => texts[file]!))).toEqual(['a.ts', 'b.ts', 'a.ts']);
});

test.each([
  ['mesh/a.ts', `import { fail } from '../errors.ts';\nimport { z } from 'zod';`, []],
  ['ops/a.ts', `// import { x } from '../runtime/x.ts'\nexport { x } from '../program/x.ts';`, []],
  ['train/a/b.ts', `import fs from 'node:fs';\nimport type { X } from '../../runtime/x.ts';`, []],
  [
    'mesh/a.ts',
    `import { x } from '../ops/x.ts';`,
    [`src/mesh/a.ts imports '../ops/x.ts': mesh may import no other folder`],
  ],
  [
    'ops/a.ts',
    `import {\n  type A,\n  b,\n} from '../model/x.ts';`,
    [`src/ops/a.ts imports '../model/x.ts': ops may import mesh, program`],
  ],
  [
    'schedule/a.ts',
    `const fs = await import('node:fs');\nimport 'zod';`,
    [
      `src/schedule/a.ts imports 'zod': schedule may import of Node and of packages nothing`,
      `src/schedule/a.ts imports 'node:fs': schedule may import of Node and of packages nothing`,
    ],
  ],
  [
    'model/a/b.ts',
    `export type { X } from '../../../test/x.ts';`,
    [`src/model/a/b.ts imports '../../../test/x.ts': it is outside src/`],
  ],
  [
    'runtime/a.ts',
    `export * from '../train/x.ts';`,
    [
      `src/runtime/a.ts imports '../train/x.ts': runtime may import mesh, program, ops, model, schedule, state, step, plan, abort-signal.ts, settings.ts`,
    ],
  ],
  ['new/a.ts', '', ['src/new/a.ts: new has no line in the table of test/imports.test.ts; add one']],
])('%s with %o', (path, text, problems) => {
  expect(wrongArrows(path, text)).toEqual(problems);
});
