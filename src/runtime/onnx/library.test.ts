import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FivefoldError } from '../../errors.ts';
import { findLibrary, libraryPackages, libraryPath, type Machine, openLibrary } from './library.ts';

const glibc = ['/lib64/ld-linux-x86-64.so.2', '/lib/ld-linux-aarch64.so.1'];
const musl = ['/lib/ld-musl-x86_64.so.1', '/lib/ld-musl-aarch64.so.1'];

/** A machine that has every package, and these files besides theirs. */
const machine = (platform: string, arch: string, files = glibc, changes: Partial<Machine> = {}): Machine => ({
  platform,
  arch,
  exists: (path) => path.startsWith('modules') || files.includes(path),
  packageFolder: (name) => join('modules', name),
  ...changes,
});

/** The line that a user of such a machine reads. */
function refusal(given: Machine): string {
  try {
    return `found ${findLibrary(given)}`;
  } catch (error) {
    if (!(error instanceof FivefoldError) || error.code !== 'PLATFORM_UNSUPPORTED') throw error;
    expect(error.exit).toBe(2);
    return error.message;
  }
}

test('each platform has its library', () => {
  const found = Object.keys(libraryPackages).map((name) => {
    const [platform = '', arch = ''] = name.split(' ');
    return findLibrary(machine(platform, arch)).replaceAll('\\', '/');
  });
  expect(found).toEqual([
    'modules/sherpa-onnx-linux-x64/libonnxruntime.so',
    'modules/sherpa-onnx-linux-arm64/libonnxruntime.so',
    'modules/sherpa-onnx-darwin-x64/libonnxruntime.dylib',
    'modules/sherpa-onnx-darwin-arm64/libonnxruntime.dylib',
    'modules/sherpa-onnx-win-x64/onnxruntime.dll',
  ]);
});

test('a platform without a library is refused in one line that says what to do', () => {
  const use = 'use Linux x64 or arm64 with glibc, macOS x64 or arm64, or Windows x64';
  for (const [platform, arch] of [
    ['freebsd', 'x64'],
    ['linux', 'riscv64'],
    ['linux', 'arm'],
    ['win32', 'ia32'],
    ['aix', 'ppc64'],
    ['constructor', ''],
  ] as const)
    expect(refusal(machine(platform, arch))).toBe(
      `this machine (${platform} ${arch}) cannot run models: there is no build of ONNX Runtime for it; ${use}`,
    );
  expect(refusal(machine('win32', 'arm64'))).toContain('install the x64 build of Node');
});

test('musl alone is refused; beside glibc it does not matter', () => {
  for (const arch of ['x64', 'arm64']) {
    expect(refusal(machine('linux', arch, musl))).toContain("the system's C library is musl");
    expect(refusal(machine('linux', arch, [...musl, ...glibc]))).toContain('found');
    // Where neither is in its usual place, only loading can tell.
    expect(refusal(machine('linux', arch, []))).toContain('found');
  }
});

test('a package that is not installed, or is empty, is named', () => {
  const line = 'the package sherpa-onnx-darwin-x64 is not installed; install again on this machine, with optional';
  expect(refusal(machine('darwin', 'x64', [], { packageFolder: () => undefined }))).toContain(line);
  expect(refusal(machine('darwin', 'x64', [], { exists: () => false }))).toContain(line);
});

test("this machine's library has the C interface", () => {
  expect(libraryPath()).toContain('onnxruntime');
  expect(openLibrary().func('const void *OrtGetApiBase()')()).toBeTruthy();
});
