// How the causes of a step's time are called.
import type { StepTime } from '../training/scenario.ts';

export const causeNames: Readonly<Record<keyof StepTime, string>> = {
  compute: 'compute',
  launches: 'waiting for the host',
  tp: 'tensor parallel',
  cp: 'context parallel',
  ep: 'experts',
  dp: 'gradients and parameters',
  pp: 'between stages',
  bubble: 'bubble',
  offload: 'copies to the host',
  optimizer: 'optimizer',
};
