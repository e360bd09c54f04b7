// Finds every action of a schedule, and refuses one that is missing, repeated or not this stage's.
import {
  type Action,
  goesThrough,
  isMessage,
  type Message,
  neighbour,
  placementOf,
  type Schedule,
  type WorkKind,
} from './schedule.ts';
import type { Teller } from './teller.ts';

/** Messages apart from the work, by what they are. */
export type Slot = WorkKind | `${Message['kind']} ${Message['what']}`;

/** Where each action is in its stage's list, by [chunk · microbatches + microbatch]; -1 for one that the stage does not have. */
export type Positions = Readonly<Record<Slot, Int32Array>>;

const slots: readonly Slot[] = [
  'forward',
  'backward',
  'inputGradient',
  'weightGradient',
  'recv activation',
  'send activation',
  'recv gradient',
  'send gradient',
];

type Refuse = (problem: string) => never;

/** By stage. What is computed is looked at first: messages follow from it. */
export function locate(schedule: Schedule, tell: Teller): Positions[] {
  const { stages, microbatches, chunks } = schedule;
  const positions = stages.map((): Positions => {
    const none = slots.map((slot) => [slot, new Int32Array(microbatches * chunks).fill(-1)]);
    return Object.fromEntries(none);
  });
  for (const stage of stages.keys()) find(schedule, stage, positions[stage]!, tell);
  for (const stage of stages.keys()) expectWork(schedule, stage, positions[stage]!, tell);
  for (const stage of stages.keys()) expectMessages(schedule, stage, positions[stage]!, tell);
  return positions;
}

function find(schedule: Schedule, stage: number, positions: Positions, tell: Teller): void {
  const { stages, microbatches, chunks } = schedule;
  for (const [index, action] of stages[stage]!.entries()) {
    const { microbatch, chunk } = action;
    const refuse: Refuse = (problem) => tell.refuse(`${tell.at(stage, index)} ${problem}`);
    if (!inRange(microbatch, microbatches)) refuse(`names a microbatch outside 0..${microbatches - 1}`);
    if (!inRange(chunk, chunks)) refuse(`names a chunk outside 0..${chunks - 1}`);
    if (!goesThrough(schedule, microbatch, chunk)) refuse('is of the other direction');
    if (isMessage(action)) checkOtherEnd(schedule, stage, action, refuse);
    if (schedule.forwardOnly && isGradient(action)) refuse('is none of a schedule of forwards only');
    const at = chunk * microbatches + microbatch;
    const own = slotOf(action);
    for (const slot of excluded[own] ?? [own]) {
      const earlier = positions[slot][at]!;
      if (earlier >= 0) refuse(`was already done: ${tell.at(stage, earlier)}; each happens once a microbatch`);
    }
    positions[own][at] = index;
  }
}

const inRange = (value: number, end: number): boolean => Number.isSafeInteger(value) && value >= 0 && value < end;

const isGradient = (action: Action): boolean =>
  isMessage(action) ? action.what === 'gradient' : action.kind !== 'forward';

const messageSlots = {
  send: { activation: 'send activation', gradient: 'send gradient' },
  recv: { activation: 'recv activation', gradient: 'recv gradient' },
} as const;

export const slotOf = (action: Action): Slot =>
  isMessage(action) ? messageSlots[action.kind][action.what] : action.kind;

/** What must not have been done before beside the same: a backward whole where its halves are, and the reverse. */
const excluded: Readonly<Partial<Record<Slot, readonly Slot[]>>> = {
  backward: ['backward', 'inputGradient', 'weightGradient'],
  inputGradient: ['inputGradient', 'backward'],
  weightGradient: ['weightGradient', 'backward'],
};

/** Activations go to the next virtual stage, gradients to the one before. */
const otherEnd = (schedule: Schedule, { kind, what, chunk }: Pick<Message, 'kind' | 'what' | 'chunk'>, stage: number) =>
  neighbour(placementOf(schedule), { stage, chunk }, (kind === 'send') === (what === 'activation') ? 1 : -1);

function checkOtherEnd(schedule: Schedule, stage: number, message: Message, refuse: Refuse) {
  const other = otherEnd(schedule, message, stage);
  if (other === 'before') refuse('has no other end: this is where the model begins');
  else if (other === 'beyond') refuse('has no other end: this is where the model ends');
  else if (message.stage !== other.stage) refuse(`must name stage ${other.stage}`);
}

/** Every forward, and unless there are only forwards every backward, whole or in its two halves. */
function expectWork(schedule: Schedule, stage: number, positions: Positions, tell: Teller): void {
  const { microbatches, chunks, forwardOnly } = schedule;
  for (let at = 0; at < microbatches * chunks; at++) {
    const has = (slot: WorkKind): boolean => positions[slot][at]! >= 0;
    const [microbatch, chunk] = [at % microbatches, Math.floor(at / microbatches)];
    if (!goesThrough(schedule, microbatch, chunk)) continue;
    const expect = (kind: WorkKind): void => {
      const work = { kind, microbatch, chunk };
      if (!has(kind)) tell.refuse(`${tell.stage(stage)} has no ${tell.action(work)}`);
    };
    expect('forward');
    if (forwardOnly) continue;
    if (!has('inputGradient') && !has('weightGradient')) expect('backward');
    else if (!has('backward')) {
      expect('inputGradient');
      expect('weightGradient');
    }
  }
}

function expectMessages(schedule: Schedule, stage: number, positions: Positions, tell: Teller): void {
  const { microbatches, chunks, forwardOnly } = schedule;
  for (const what of forwardOnly ? (['activation'] as const) : (['activation', 'gradient'] as const))
    for (const kind of ['recv', 'send'] as const)
      for (let chunk = 0; chunk < chunks; chunk++) {
        const other = otherEnd(schedule, { kind, what, chunk }, stage);
        if (typeof other === 'string') continue;
        const own = positions[`${kind} ${what}`].subarray(chunk * microbatches, (chunk + 1) * microbatches);
        const microbatch = own.findIndex((at, each) => at < 0 && goesThrough(schedule, each, chunk));
        const message = { kind, what, microbatch, chunk, stage: other.stage };
        if (microbatch >= 0) tell.refuse(`${tell.stage(stage)} has no ${tell.action(message)}`);
      }
}
