// What a block's backward pass computes anew rather than keeping it: the setting and its text form (`full`, `selective:0-3+6`).
import { fail } from '../errors.ts';

/** Nothing, all that is cheap, or all of the block. */
export const recomputePolicies = ['none', 'selective', 'full'] as const;
export type RecomputePolicy = (typeof recomputePolicies)[number];

export interface Recompute {
  readonly policy: RecomputePolicy;
  /** The layers that it holds for, as ranges [first, last]; undefined: all. */
  readonly layers?: readonly (readonly [first: number, last: number])[];
}

/** `layout` is the text that it is part of. @throws LAYOUT_SYNTAX */
export function parseRecompute(layout: string, value = ''): Recompute {
  const refuse = (reason: string): never => fail('LAYOUT_SYNTAX', { text: layout, reason });
  const [name, ranges, ...more] = value.split(':');
  const policy = recomputePolicies.find((known) => known === name);
  if (!policy || more.length > 0 || (policy === 'none' && ranges !== undefined))
    return refuse(
      `recompute is ${recomputePolicies.join(', ')}, or one of them for some layers such as full:0-3+6, not "${value}"`,
    );
  if (ranges === undefined) return { policy };
  const layers = ranges.split('+').map((range) => {
    const [, first = '', last = first] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
    if (first === '' || Number(last) < Number(first)) refuse(`recompute's layers are like 0-3+6, not "${ranges}"`);
    return [Number(first), Number(last)] as const;
  });
  return { policy, layers };
}

/** The text that parses to it. */
export const printRecompute = ({ policy, layers }: Recompute): string =>
  layers === undefined
    ? policy
    : `${policy}:${layers.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join('+')}`;

/** What is computed anew in a layer's backward pass. */
export const recomputeOf = ({ policy, layers }: Recompute, layer: number): RecomputePolicy =>
  layers === undefined || layers.some(([first, last]) => first <= layer && layer <= last) ? policy : 'none';
