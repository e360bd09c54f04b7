// Where ONNX Runtime's shared library and the way to call it are on this machine, or one clear line about why they are not.
//
// The library comes in packages of one file a platform, without install scripts: npm fetches the one that fits, as an optional dependency.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type Koffi from 'koffi';
import { FivefoldError, fail } from '../../errors.ts';

/** The package and the file in it that hold the library, by `process.platform` and `process.arch`. */
export const libraryPackages: Readonly<Record<string, readonly [packageName: string, file: string]>> = {
  'linux x64': ['sherpa-onnx-linux-x64', 'libonnxruntime.so'],
  'linux arm64': ['sherpa-onnx-linux-arm64', 'libonnxruntime.so'],
  'darwin x64': ['sherpa-onnx-darwin-x64', 'libonnxruntime.dylib'],
  'darwin arm64': ['sherpa-onnx-darwin-arm64', 'libonnxruntime.dylib'],
  'win32 x64': ['sherpa-onnx-win-x64', 'onnxruntime.dll'],
};
const supported = 'Linux x64 or arm64 with glibc, macOS x64 or arm64, or Windows x64';

/** What decides whether there is a library. */
export interface Machine {
  readonly platform: string;
  readonly arch: string;
  readonly exists: (path: string) => boolean;
  /** The folder of an installed package, if it is. */
  readonly packageFolder: (name: string) => string | undefined;
}

/** The library's path. @throws PLATFORM_UNSUPPORTED */
export function findLibrary(machine: Machine): string {
  const { platform, arch } = machine;
  const given = `${platform} ${arch}`;
  const unsupported = (problem: string, fix: string): never => fail('PLATFORM_UNSUPPORTED', { given, problem, fix });
  const found = Object.hasOwn(libraryPackages, given) ? libraryPackages[given] : undefined;
  if (!found) {
    const emulated = given === 'win32 arm64' ? 'install the x64 build of Node, which Windows runs too, or ' : '';
    return unsupported('there is no build of ONNX Runtime for it', `${emulated}use ${supported}`);
  }
  if (platform === 'linux' && hasOnlyMusl(machine))
    return unsupported(
      "the system's C library is musl, and ONNX Runtime needs glibc",
      `use a distribution with glibc: of container images, one of Debian's or Ubuntu's instead of Alpine's`,
    );
  const [name, file] = found;
  const folder = machine.packageFolder(name);
  if (folder === undefined || !machine.exists(join(folder, file)))
    return unsupported(
      `the package ${name} is not installed`,
      'install again on this machine, with optional dependencies (npm install --include=optional)',
    );
  return join(folder, file);
}

/** By the loaders that programs of each C library name. Where both are, programs for glibc run. */
function hasOnlyMusl({ arch, exists }: Machine): boolean {
  const cpu = arch === 'arm64' ? 'aarch64' : 'x86_64';
  const glibc = arch === 'arm64' ? ['/lib/ld-linux-aarch64.so.1'] : ['/lib64/ld-linux-x86-64.so.2'];
  return exists(`/lib/ld-musl-${cpu}.so.1`) && !glibc.some(exists);
}

const require = createRequire(import.meta.url);

/** This machine's library. @throws PLATFORM_UNSUPPORTED */
export function libraryPath(): string {
  return findLibrary({
    platform: process.platform,
    arch: process.arch,
    exists: existsSync,
    packageFolder(name) {
      try {
        return dirname(require.resolve(`${name}/package.json`));
      } catch {
        return undefined;
      }
    },
  });
}

/** koffi calls functions of shared libraries. It throws where it has no build, so it is loaded only when it is needed. */
export const loadKoffi = (): typeof Koffi => loading('koffi', () => require('koffi') as typeof Koffi);

/** Opens this machine's library. @throws PLATFORM_UNSUPPORTED */
export function openLibrary(): ReturnType<typeof Koffi.load> {
  const path = libraryPath();
  const koffi = loadKoffi();
  return loading(path, () => koffi.load(path));
}

function loading<T>(what: string, load: () => T): T {
  try {
    return load();
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    const failure = new FivefoldError('PLATFORM_UNSUPPORTED', {
      given: `${process.platform} ${process.arch}`,
      problem: `${what} does not load (${reason.trim()})`,
      fix: `install again on this machine, or use ${supported}`,
    });
    failure.cause = error;
    throw failure;
  }
}
