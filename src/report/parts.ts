// The parts that memory and time are told in: how they are called, and the colour each has in pictures.
import { causeNames } from '../plan/explain/cause-names.ts';
import type { StepTime, TrainingMemory } from '../plan/training/scenario.ts';

export interface Part<K extends string> {
  readonly key: K;
  readonly name: string;
  /** The class of its colour in a page: see style.ts. */
  readonly colour: string;
}

export const memoryParts: readonly Part<Exclude<keyof TrainingMemory, 'total'>>[] = [
  { key: 'weights', name: 'weights', colour: 'blue' },
  { key: 'gradients', name: 'gradients', colour: 'red' },
  { key: 'optimizer', name: 'optimizer', colour: 'green' },
  { key: 'activations', name: 'activations', colour: 'orange' },
  { key: 'buffers', name: 'buffers', colour: 'grey' },
];

export const timeParts: readonly Part<keyof StepTime>[] = [
  { key: 'compute', name: causeNames.compute, colour: 'blue' },
  { key: 'launches', name: causeNames.launches, colour: 'grey' },
  { key: 'tp', name: causeNames.tp, colour: 'orange' },
  { key: 'cp', name: causeNames.cp, colour: 'yellow' },
  { key: 'ep', name: causeNames.ep, colour: 'pink' },
  { key: 'dp', name: causeNames.dp, colour: 'red' },
  { key: 'pp', name: causeNames.pp, colour: 'sky' },
  { key: 'bubble', name: causeNames.bubble, colour: 'empty' },
  { key: 'offload', name: causeNames.offload, colour: 'yellow' },
  { key: 'optimizer', name: causeNames.optimizer, colour: 'green' },
];

/** Of a step's time, what is too little to be seen. */
export const isSeen = (seconds: number, stepSeconds: number): boolean => seconds > stepSeconds / 10_000;
