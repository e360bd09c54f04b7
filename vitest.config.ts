import { defineConfig } from 'vitest/config';

/** Folders whose tests start no ranks, no programs and no ONNX Runtime: their files share a process, where each loads only what is new to it. */
const pure = ['plan', 'mesh', 'schedule', 'data', 'model', 'state', 'report'].map(
  (folder) => `src/${folder}/**/*.test.ts`,
);

export default defineConfig({
  test: {
    globalSetup: ['tools/build-kernels.mjs'],
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'pure', include: pure, isolate: false } },
      { extends: true, test: { name: 'ranks', include: ['src/**/*.test.ts', 'test/**/*.test.ts'], exclude: pure } },
    ],
    setupFiles: ['test/late-compiler.mjs'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
