// Numbers of parameters that a rank has of a part, by which of them it shares with whom.
import { type Part, paramSpecs, shardShape } from '../../model/params.ts';
import { isTied } from '../../model/stages.ts';
import { elements } from '../../program/program.ts';
import { type Grid, hasEndsApart, kindLayout, type SearchTask } from './task.ts';

export interface PartElements {
  /** Those of a rank of tp alone (or of all there are, without tp). */
  readonly own: number;
  /** Those that ranks of tp have alike. */
  readonly alike: number;
  /** Those that ranks of ep have each their own of. */
  readonly experts: number;
}

export function partElements({ config }: SearchTask, grid: Grid, part: Part): PartElements {
  const layout = kindLayout(grid.kind);
  const all = { own: 0, alike: 0, experts: 0 };
  for (const spec of paramSpecs(config, layout, part)) {
    if (spec.byLoad || (part.name === 'head' && !hasEndsApart(grid) && isTied(config, spec))) continue;
    const isOwn = layout.tp === 1 || spec.types.tp?.startsWith('V');
    all[spec.types.ep === 'V0' ? 'experts' : isOwn ? 'own' : 'alike'] += elements(shardShape(spec, layout));
  }
  return all;
}

/** Of several parts together. */
export function addElements(all: readonly { readonly each: PartElements; readonly count: number }[]): PartElements {
  const sum = { own: 0, alike: 0, experts: 0 };
  for (const { each, count } of all) {
    sum.own += count * each.own;
    sum.alike += count * each.alike;
    sum.experts += count * each.experts;
  }
  return sum;
}
