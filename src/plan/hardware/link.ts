// Kinds of links between devices: what their collectives have in common, whatever their rates.

export const linkKinds = [
  'nvlink-2',
  'nvlink-3',
  'nvlink-4',
  'nvlink-5',
  'xgmi',
  'ici',
  'pcie',
  'infiniband',
  'roce',
  'ethernet',
  'omni-path',
  'shared-memory',
] as const;
export type LinkKind = (typeof linkKinds)[number];

/** Those that a device reaches over its link to the host, as it does the host's memory. */
export const overHost: ReadonlySet<LinkKind> = new Set(['pcie', 'infiniband', 'roce', 'ethernet', 'omni-path']);

/** From a message's send to the next rank's, within a collective of many small ones; a cluster file may say another. */
export const hopSeconds: Readonly<Record<LinkKind, number>> = {
  'nvlink-2': 1.2e-6,
  'nvlink-3': 0.9e-6,
  'nvlink-4': 0.75e-6,
  'nvlink-5': 1e-6,
  xgmi: 1.5e-6,
  ici: 1e-6,
  pcie: 1.1e-6,
  infiniband: 5e-6,
  roce: 6e-6,
  ethernet: 30e-6,
  'omni-path': 10e-6,
  'shared-memory': 1e-6,
};
