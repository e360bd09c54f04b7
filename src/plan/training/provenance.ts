// Where the parts of a prediction come from: what is exact, what was fitted to measurements, and what datasheets say.
import { collectiveParameters } from '../cost/collective-parameters.ts';
import { fittedKernels } from '../cost/fitted-kernels.ts';
import type { TrainingScenario } from './scenario.ts';

export interface Provenance {
  readonly part: string;
  /** `assumed`: nothing of the kind was measured, and the nearest stands for it. */
  readonly from: 'program' | 'measured' | 'fitted' | 'assumed' | 'datasheet';
  readonly on: string;
}

const exact: Provenance = {
  part: 'FLOPs, bytes sent, state, activations',
  from: 'program',
  on: 'the program that train runs, walked part by part',
};

export function provenanceOf({ cluster }: Pick<TrainingScenario, 'cluster'>): Provenance[] {
  const { device, tiers } = cluster;
  if (device.measured)
    return [
      exact,
      { part: `kernels and messages of ${device.title}`, from: 'measured', on: 'this machine, by calibrate --local' },
    ];
  const isFitted = Object.hasOwn(fittedKernels, device.architecture);
  const links = [...new Set(tiers.map(({ link }) => link))];
  return [
    exact,
    {
      part: `kernels of ${device.architecture}`,
      from: isFitted ? 'fitted' : 'assumed',
      on: isFitted ? 'measured products, attention and mixtures' : 'those of the nearest architecture',
    },
    ...links.map((link): Provenance => {
      const [, fittedTo] = /^fitted to (.*)$/.exec(collectiveParameters[link].source) ?? [];
      return {
        part: `collectives over ${link}`,
        from: fittedTo === undefined ? 'assumed' : 'fitted',
        on: fittedTo ?? collectiveParameters[link].source,
      };
    }),
    { part: 'what software does beside it', from: 'fitted', on: 'measured steps, one set of constants for all' },
    { part: `rates and memory of ${device.title}`, from: 'datasheet', on: device.source },
  ];
}
