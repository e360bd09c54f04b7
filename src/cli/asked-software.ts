// Whose software is predicted: the one that is named, or what goes with the cluster.
import { option } from '../errors.ts';
import type { Cluster } from '../plan/hardware/cluster.ts';
import { parseSoftware, tuned } from '../plan/software/parse-software.ts';
import { currentSoftware, ownRuntime, type Software } from '../plan/software/software.ts';
import { refuse } from '../train/refuse.ts';
import { flagOf } from './options.ts';

export interface AskedSoftware {
  /** As it is given: `nemo`; or one of {@link ofCluster}. */
  readonly name: string;
  readonly does: Software;
}

/** What goes with a cluster that was measured, and with one that was calibrated: no framework's names. */
const ofCluster = { measured: 'fivefold', calibrated: 'calibrated' } as const;

/** @throws OPTION_INVALID for software that is not known, or that does not run there */
export function askedSoftware(name: string | undefined, { device, software }: Cluster): AskedSoftware {
  if (device.measured) {
    if (name !== undefined && name !== ofCluster.measured)
      refuse('software', `${device.title} was measured with Fivefold's own runtime`, 'leave it out');
    return { name: ofCluster.measured, does: ownRuntime };
  }
  if (software && (name === undefined || name === ofCluster.calibrated))
    return { name: ofCluster.calibrated, does: { ...currentSoftware, ...software } };
  return { name: name ?? tuned, does: parseSoftware(name ?? tuned, option('software')) };
}

/** In words that follow `with`. */
export function softwareText(name: string): string {
  switch (name) {
    case tuned:
      return `whatever software (well tuned is assumed; ${flagOf('software')} names one)`;
    case ofCluster.measured:
      return "Fivefold's own runtime";
    case ofCluster.calibrated:
      return 'the software of the runs that the cluster is calibrated by';
    default:
      return `${name} as software`;
  }
}
