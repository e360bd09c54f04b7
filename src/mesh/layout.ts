// A layout: the five axis sizes and the settings that go with them, and its text form (`tp=2,pp=2,dp=2,sp,schedule=1f1b`).
import { fail } from '../errors.ts';
import { type Axis, axes, type Mesh } from './mesh.ts';

export const scheduleNames = ['gpipe', '1f1b'] as const;
export type ScheduleName = (typeof scheduleNames)[number];

export interface Layout extends Mesh {
  /** Sequence parallelism: norms and residuals between tensor-parallel layers are sharded by sequence over tp. */
  readonly sp: boolean;
  readonly schedule: ScheduleName;
  /** Layers of each stage; undefined: as even as possible, the first stages taking the remainder. */
  readonly stages?: readonly number[];
}

export const oneRank: Layout = { tp: 1, cp: 1, ep: 1, dp: 1, pp: 1, sp: false, schedule: '1f1b' };

/** Of any axis and any stage: more than all accelerators of a cluster. */
export const largestAxis = 2 ** 20;

/** Settings that exist in the design but not yet in the runtime, with the value that is allowed. */
const notYet: Readonly<Record<string, string>> = { zero: '0', virtual: '1', recompute: 'none' };

/** Parses a layout's text; LAYOUT_SYNTAX, LAYOUT_UNKNOWN or LAYOUT_NOT_YET when it cannot be. */
export function parseLayout(text: string): Layout {
  const layout: { -readonly [K in keyof Layout]: Layout[K] } = { ...oneRank };
  const seen = new Set<string>();
  for (const part of text.split(',').map((word) => word.trim())) {
    if (part === '') continue;
    const [key = '', value, ...more] = part.split('=').map((word) => word.trim());
    if (more.length > 0) fail('LAYOUT_SYNTAX', { text, reason: `${part} has more than one =` });
    if (seen.has(key)) fail('LAYOUT_SYNTAX', { text, reason: `${key} is given twice` });
    seen.add(key);
    if ((axes as readonly string[]).includes(key)) layout[key as Axis] = parseSize(text, key, value);
    else if (key === 'sp') layout.sp = parseSwitch(text, value);
    else if (key === 'schedule') layout.schedule = parseSchedule(text, value);
    else if (key === 'stages') layout.stages = (value ?? '').split('+').map((size) => parseSize(text, key, size));
    else if (Object.hasOwn(notYet, key)) {
      if (value !== notYet[key])
        fail('LAYOUT_NOT_YET', { setting: part, fix: `leave it out or write ${key}=${notYet[key]}` });
    } else
      fail('LAYOUT_UNKNOWN', {
        key,
        allowed: [...axes, 'sp', 'schedule', 'stages', ...Object.keys(notYet)].join(', '),
      });
  }
  for (const axis of ['cp', 'ep'] as const)
    if (layout[axis] > 1)
      fail('LAYOUT_NOT_YET', { setting: `${axis}=${layout[axis]}`, fix: `use ${axis}=1 with tp, pp and dp` });
  if (layout.sp && layout.tp === 1) layout.sp = false;
  if (layout.stages && layout.stages.length !== layout.pp)
    fail('LAYOUT_SYNTAX', { text, reason: `stages names ${layout.stages.length} stages but pp=${layout.pp}` });
  return layout;
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

function parseSchedule(text: string, value: string | undefined): ScheduleName {
  const name = scheduleNames.find((known) => known === value);
  return (
    name ?? fail('LAYOUT_SYNTAX', { text, reason: `schedule is ${scheduleNames.join(' or ')}, not "${value ?? ''}"` })
  );
}

/** The shortest text that parses to this layout. */
export function printLayout(layout: Layout): string {
  const parts = axes.filter((axis) => layout[axis] > 1).map((axis) => `${axis}=${layout[axis]}`);
  if (layout.sp) parts.push('sp');
  if (layout.pp > 1 && layout.schedule !== oneRank.schedule) parts.push(`schedule=${layout.schedule}`);
  if (layout.stages) parts.push(`stages=${layout.stages.join('+')}`);
  return parts.length > 0 ? parts.join(',') : 'tp=1';
}

/** Layers of each stage: [first, end) by stage. */
export function stageLayers(layout: Layout, layers: number): (readonly [first: number, end: number])[] {
  const even = Math.floor(layers / layout.pp);
  const sizes =
    layout.stages ?? Array.from({ length: layout.pp }, (_, stage) => even + (stage < layers % layout.pp ? 1 : 0));
  let first = 0;
  return sizes.map((size) => {
    const range = [first, first + size] as const;
    first += size;
    return range;
  });
}
