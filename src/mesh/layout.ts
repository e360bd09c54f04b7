// A layout: the five axis sizes and the settings that go with them, and its text form (`tp=2,pp=2,dp=2,sp,schedule=1f1b`).
import { fail } from '../errors.ts';
import { type Axis, axes, type Mesh } from './mesh.ts';
import { parseRecompute, printRecompute, type Recompute } from './recompute.ts';

/** Made by a rule, or read from a file. */
export const scheduleNames = ['gpipe', '1f1b', 'zb-h1', 'file'] as const;
/** Those that are planned for and never run: their ranks hold two stages. */
export const plannedSchedules = ['dualpipe'] as const;
export type ScheduleName = (typeof scheduleNames)[number] | (typeof plannedSchedules)[number];

/**
 * What the data axes share out instead of each rank holding it (Rajbhandari et al., "ZeRO", 2020): 1 the optimizer's moments, 2 also
 * the gradients, 3 also the parameters.
 */
export type Zero = 0 | 1 | 2 | 3;

/**
 * How ranks of cp attend to each other's tokens. `ring`: keys and values go round (Liu et al., "Ring Attention", 2023). `ulysses`: heads
 * are shared out instead of tokens (Jacobs et al., "DeepSpeed-Ulysses", 2023). `gather`: every rank gathers all keys and values (Grattafiori
 * et al., "The Llama 3 herd of models", 2024, section 3.3.2).
 */
export const cpModes = ['ring', 'ulysses', 'gather'] as const;
export type CpMode = (typeof cpModes)[number];

export interface ScheduleFile {
  /** As given; it is read again where a printed layout is parsed, as when a run is gone on with. */
  readonly path: string;
  readonly text: string;
}

export interface Layout extends Mesh {
  /** Sequence parallelism: norms and residuals between tensor-parallel layers are sharded by sequence over tp. */
  readonly sp: boolean;
  readonly cpMode: CpMode;
  readonly schedule: ScheduleName;
  readonly zero: Zero;
  readonly recompute: Recompute;
  /** Of `schedule=file:<path>`. */
  readonly scheduleFile?: ScheduleFile;
  /** Chunks a stage: layers run through pp · virtual virtual stages, of which chunk c of stage s is number c · pp + s. */
  readonly virtual: number;
  /** Layers of each virtual stage; undefined: as even as possible, the first ones taking the remainder. */
  readonly stages?: readonly number[];
}

export const oneRank: Layout = {
  tp: 1,
  cp: 1,
  ep: 1,
  dp: 1,
  pp: 1,
  sp: false,
  cpMode: 'ring',
  schedule: '1f1b',
  virtual: 1,
  zero: 0,
  recompute: { policy: 'none' },
};

/** Of any axis and any stage: more than all accelerators of a cluster. */
export const largestAxis = 2 ** 20;

/**
 * Parses a layout's text; `readFile` gives the text of the file that `schedule=file:<path>` names.
 * @throws LAYOUT_SYNTAX, LAYOUT_UNKNOWN or LAYOUT_SCHEDULE
 */
export function parseLayout(text: string, readFile?: (path: string) => string): Layout {
  const layout: { -readonly [K in keyof Layout]: Layout[K] } = { ...oneRank };
  const seen = new Set<string>();
  for (const [key, value] of settingsIn(text)) {
    if (seen.has(key)) fail('LAYOUT_SYNTAX', { text, reason: `${key} is given twice` });
    seen.add(key);
    if ((axes as readonly string[]).includes(key)) layout[key as Axis] = parseSize(text, key, value);
    else if (key === 'sp') layout.sp = parseSwitch(text, value);
    else if (key === 'cpMode') layout.cpMode = parseCpMode(text, value);
    else if (key === 'schedule') Object.assign(layout, parseSchedule(text, value, readFile));
    else if (key === 'virtual') layout.virtual = parseSize(text, key, value);
    else if (key === 'stages') layout.stages = (value ?? '').split('+').flatMap((run) => parseRun(text, key, run));
    else if (key === 'zero') layout.zero = parseZero(text, value);
    else layout.recompute = parseRecompute(text, value);
  }
  // A setting of an axis that is 1 changes nothing, so that the same ones can be compared over any number of ranks.
  if (layout.tp === 1) layout.sp = false;
  if (layout.cp === 1) layout.cpMode = oneRank.cpMode;
  if (layout.pp === 1 && layout.schedule !== 'file') layout.virtual = 1;
  checkPipeline(text, layout);
  return layout;
}

const keys: readonly string[] = [...axes, 'cpMode', 'sp', 'zero', 'recompute', 'schedule', 'virtual', 'stages'];

/** The settings of a layout's text, one after another. A path alone may hold a =, and a comma between double quotes. */
function settingsIn(text: string): (readonly [key: string, value: string | undefined])[] {
  const parts = (text.match(/("(?:[^"\\]|\\.)*"|[^,])+/g) ?? []).map((part) => part.trim());
  return parts.filter((part) => part !== '').map((part) => keyAndValue(text, part));
}

function keyAndValue(text: string, part: string): readonly [key: string, value: string | undefined] {
  const at = part.indexOf('=');
  const [key, value] = at < 0 ? [part] : [part.slice(0, at).trim(), part.slice(at + 1).trim()];
  if (!keys.includes(key)) {
    if (text.includes(filePrefix))
      fail('LAYOUT_SYNTAX', { text, reason: `"${key}" is no setting, and a path with a comma needs double quotes` });
    fail('LAYOUT_UNKNOWN', { key, allowed: keys.join(', ') });
  }
  if (value?.includes('=') && !value.startsWith(filePrefix))
    fail('LAYOUT_SYNTAX', { text, reason: `${part} has more than one =` });
  return [key, value];
}

function checkPipeline(text: string, { pp, virtual, schedule, stages }: Layout): void {
  const refuse = (problem: string, fix: string): never => fail('LAYOUT_SCHEDULE', { text, problem, fix });
  if (virtual > 1 && pp === 1) refuse('virtual needs several stages', 'add pp=2 or more, or leave virtual out');
  if (virtual > 1 && (schedule === 'zb-h1' || schedule === 'dualpipe'))
    refuse(
      `${schedule} has one chunk ${schedule === 'zb-h1' ? 'a stage' : 'of a stage for each direction'}`,
      'leave virtual out, or use schedule=1f1b',
    );
  if (schedule === 'dualpipe' && pp % 2 > 0)
    refuse(`dualpipe pairs stages, and pp=${pp} is odd`, `use pp=${pp + 1}, or another schedule`);
  if (stages && stages.length !== pp * virtual) {
    const made = virtual > 1 ? `pp=${pp},virtual=${virtual} makes ${pp * virtual}` : `pp=${pp}`;
    fail('LAYOUT_SYNTAX', { text, reason: `stages names ${stages.length} stages but ${made}` });
  }
}

/** More stages than any model has layers. */
const longestRun = 2 ** 12;

/** Layers of a stage, or of several alike: `7`, `8*30`. */
function parseRun(text: string, key: string, run: string): number[] {
  const [size, times = '1', ...more] = run.split('*');
  const count = parseSize(text, key, times);
  if (more.length > 0 || count > longestRun)
    return fail('LAYOUT_SYNTAX', { text, reason: `"${run}" is not like 7 or 8*30` });
  return Array<number>(count).fill(parseSize(text, key, size));
}

function parseSize(text: string, key: string, value: string | undefined): number {
  const size = Number(value);
  if (!/^\d+$/.test(value ?? '') || size < 1)
    fail('LAYOUT_SYNTAX', { text, reason: `${key} needs a whole number of at least 1, not "${value ?? ''}"` });
  if (size > largestAxis) fail('LAYOUT_SYNTAX', { text, reason: `${key} is at most ${largestAxis}, not ${value}` });
  return size;
}

function parseSwitch(text: string, value: string | undefined): boolean {
  if (value === undefined || ['1', 'true', 'on'].includes(value)) return true;
  if (['0', 'false', 'off'].includes(value)) return false;
  return fail('LAYOUT_SYNTAX', { text, reason: `sp is on or off, not "${value}"` });
}

function parseCpMode(text: string, value: string | undefined): CpMode {
  const mode = cpModes.find((known) => known === value);
  return mode ?? fail('LAYOUT_SYNTAX', { text, reason: `cpMode is ${cpModes.join(', ')}, not "${value ?? ''}"` });
}

const filePrefix = 'file:';

function parseSchedule(
  text: string,
  value = '',
  readFile: ((path: string) => string) | undefined,
): Pick<Layout, 'schedule' | 'scheduleFile'> {
  const path = value.startsWith(filePrefix) ? unquoted(value.slice(filePrefix.length)) : '';
  if (path !== '') {
    if (!readFile)
      fail('LAYOUT_SCHEDULE', {
        text,
        problem: 'its schedule is in a file, and nothing to read it with was given',
        fix: 'pass parseLayout a function that reads it, such as readScheduleFile',
      });
    return { schedule: 'file', scheduleFile: { path, text: readFile(path) } };
  }
  const names = [...scheduleNames, ...plannedSchedules].filter((name) => name !== 'file');
  const name = names.find((known) => known === value);
  if (name) return { schedule: name };
  if (value === 'interleaved')
    fail('LAYOUT_SCHEDULE', { text, problem: 'interleaved is 1f1b with several chunks a stage', fix: 'use virtual=2' });
  const reason = `schedule is ${names.join(', ')} or ${filePrefix}<path>, not "${value}"`;
  return fail('LAYOUT_SYNTAX', { text, reason });
}

/** A path as it stands in a layout's text: a JSON string where it would not be read back as it is. */
const quoted = (path: string): string => (/[,"]|^\s|\s$/.test(path) ? JSON.stringify(path) : path);

function unquoted(text: string): string {
  try {
    return text.startsWith('"') ? String(JSON.parse(text)) : text;
  } catch {
    return text;
  }
}

/** A layout's text with the path of its schedule's file changed. */
export const withSchedulePath = (text: string, change: (path: string) => string): string =>
  settingsIn(text)
    .map(([key, value]) => {
      if (!value?.startsWith(filePrefix)) return value === undefined ? key : `${key}=${value}`;
      return `${key}=${filePrefix}${quoted(change(unquoted(value.slice(filePrefix.length))))}`;
    })
    .join(',');

function parseZero(text: string, value: string | undefined): Zero {
  const level = ([0, 1, 2, 3] as const).find((known) => `${known}` === value);
  return level ?? fail('LAYOUT_SYNTAX', { text, reason: `zero is 0, 1, 2 or 3, not "${value ?? ''}"` });
}

/** The shortest text that parses to this layout. */
export function printLayout(layout: Layout): string {
  const parts = axes.filter((axis) => layout[axis] > 1).map((axis) => `${axis}=${layout[axis]}`);
  if (layout.cpMode !== oneRank.cpMode) parts.push(`cpMode=${layout.cpMode}`);
  if (layout.sp) parts.push('sp');
  if (layout.zero > 0) parts.push(`zero=${layout.zero}`);
  if (layout.recompute.policy !== 'none') parts.push(`recompute=${printRecompute(layout.recompute)}`);
  if (layout.scheduleFile) parts.push(`schedule=${filePrefix}${quoted(layout.scheduleFile.path)}`);
  else if (layout.schedule !== oneRank.schedule) parts.push(`schedule=${layout.schedule}`);
  if (layout.virtual > 1) parts.push(`virtual=${layout.virtual}`);
  if (layout.stages) parts.push(`stages=${layout.stages.join('+')}`);
  return parts.length > 0 ? parts.join(',') : 'tp=1';
}

/** Parts of the model that each rank has. */
export const chunksOf = ({ schedule, virtual }: Pick<Layout, 'schedule' | 'virtual'>): number =>
  schedule === 'dualpipe' ? 2 : virtual;

/** Which virtual stage a chunk of a stage is: with dualpipe its second one is that of the stage opposite. */
export const placeOf = ({ pp, schedule }: Pick<Layout, 'pp' | 'schedule'>, stage: number, chunk: number): number =>
  schedule === 'dualpipe' ? (chunk === 0 ? stage : pp - 1 - stage) : chunk * pp + stage;

/** As data axes see it: with dualpipe each part of the model is there twice along a pipeline, and its two copies see different data, as those of dp do. */
export const withCopies = (layout: Layout): Layout =>
  layout.schedule === 'dualpipe' ? { ...layout, dp: 2 * layout.dp } : layout;

/** Layers of each virtual stage: [first, end), in the order in which they run. */
export function virtualLayers(
  { pp, virtual, stages }: Layout,
  layers: number,
): (readonly [first: number, end: number])[] {
  const count = pp * virtual;
  const even = Math.floor(layers / count);
  const sizes = stages ?? Array.from({ length: count }, (_, stage) => even + (stage < layers % count ? 1 : 0));
  let first = 0;
  return sizes.map((size) => {
    const range = [first, first + size] as const;
    first += size;
    return range;
  });
}
