// What of a rank's waits in its host's memory instead of the device's, and how it is written: `optimizer`, `activations=0.5`, both, or `none`.
import { fail } from '../../errors.ts';
import { type Layout, printLayout } from '../../mesh/layout.ts';

export interface Offload {
  /** Moments and the parameters that the optimizer works on (Ren et al. 2021, "ZeRO-Offload"). */
  readonly optimizer: boolean;
  /** Of what layers keep for their backward passes, the share that is moved out after a forward and back before it is read; 0 to 1. */
  readonly activations: number;
}

export const noOffload: Offload = { optimizer: false, activations: 0 };

/** @throws OPTION_INVALID; `name`: of the option. */
export function parseOffload(text: string, name: string): Offload {
  if (text.trim() === 'none') return noOffload;
  const offload = { optimizer: false, activations: 0 };
  const seen = new Set<string>();
  for (const part of text.split(',').map((each) => each.trim())) {
    const share = /^activations(?:=(0?\.\d{1,6}|[01](?:\.0*)?))?$/.exec(part);
    const [what = ''] = part.split('=');
    if (seen.has(what))
      fail('OPTION_INVALID', { option: name, problem: `${what} is given twice`, fix: 'give it once' });
    seen.add(what);
    if (part === 'optimizer') offload.optimizer = true;
    else if (share) offload.activations = Number(share[1] ?? 1);
    else
      fail('OPTION_INVALID', {
        option: name,
        problem: `"${part}" is nothing that can be moved to the host`,
        fix: 'use none by itself, optimizer, activations, or both with a share of activations from 0 to 1: optimizer,activations=0.5',
      });
  }
  return offload;
}

export const isOffloaded = ({ optimizer, activations }: Offload): boolean => optimizer || activations > 0;

export const printOffload = ({ optimizer, activations }: Offload): string =>
  [...(optimizer ? ['optimizer'] : []), ...(activations > 0 ? [`activations=${activations}`] : [])].join(',') || 'none';

interface Named {
  readonly layout: Layout;
  readonly offload?: Offload;
}

/** A layout with what it has on its hosts, as the command line takes them. */
export const layoutName = ({ layout, offload }: Named): string =>
  offload && isOffloaded(offload) ? `${printLayout(layout)} --offload ${printOffload(offload)}` : printLayout(layout);
