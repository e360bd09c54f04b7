// The proof against a slow, independent executor: on mutated schedules both agree, and the memory bounds are exact.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scheduleText } from '../../test/schedule-text.ts';
import { FivefoldError } from '../errors.ts';
import { scheduleNames } from '../mesh/layout.ts';
import type { Schedule } from './schedule.ts';
import { schedules } from './schedules.ts';
import { verify } from './verify.ts';

const schedule = fc
  .record({
    name: fc.constantFrom(...scheduleNames),
    p: fc.integer({ min: 1, max: 5 }),
    m: fc.integer({ min: 1, max: 7 }),
  })
  .map(({ name, p, m }) => schedules[name](p, m));

/** One change to one stage's list, at places given modulo its length. */
const mutation = fc.record({
  kind: fc.constantFrom(
    'drop',
    'duplicate',
    'swap',
    'swapNext',
    'move',
    'retarget',
    'renumber',
    'rekind',
    'relabel',
    'hasten',
  ),
  stage: fc.nat(),
  at: fc.nat(),
  other: fc.nat(),
});
type Mutation = typeof mutation extends fc.Arbitrary<infer M> ? M : never;

const kinds = ['forward', 'backward', 'sendActivation', 'recvActivation', 'sendGradient', 'recvGradient'] as const;

function mutate(original: Schedule, { kind, stage, at, other }: Mutation): Schedule {
  const p = original.stages.length;
  const s = stage % p;
  const actions = [...original.stages[s]!];
  const i = at % actions.length;
  const j = other % actions.length;
  const action = actions[i];
  // Dropped to nothing.
  if (!action) return original;
  if (kind === 'drop') actions.splice(i, 1);
  if (kind === 'duplicate') actions.splice(j, 0, action);
  if (kind === 'swap') [actions[i], actions[j]] = [actions[j]!, action];
  if (kind === 'swapNext' && i + 1 < actions.length) [actions[i], actions[i + 1]] = [actions[i + 1]!, action];
  if (kind === 'move') actions.splice(j, 0, ...actions.splice(i, 1));
  if (kind === 'retarget' && 'stage' in action) actions[i] = { ...action, stage: other % p };
  if (kind === 'renumber') actions[i] = { ...action, microbatch: other % (original.microbatches + 1) };
  // Right on its own stage, but in another order than its neighbours'.
  if (kind === 'relabel') {
    const a = action.microbatch;
    const b = actions[j]!.microbatch;
    const exchanged = new Map([
      [a, b],
      [b, a],
    ]);
    for (const [index, one] of actions.entries()) {
      actions[index] = { ...one, microbatch: exchanged.get(one.microbatch) ?? one.microbatch };
    }
  }
  // A receive right after the forward, so before what its sender waits for.
  if (kind === 'hasten') {
    const after = actions.findIndex((one) => one.kind === 'forward' && one.microbatch === action.microbatch);
    if (after < i) actions.splice(after + 1, 0, ...actions.splice(i, 1));
  }
  if (kind === 'rekind') {
    const newKind = kinds[other % kinds.length]!;
    const { microbatch } = action;
    actions[i] =
      newKind === 'forward' || newKind === 'backward'
        ? { kind: newKind, microbatch }
        : { kind: newKind, microbatch, stage: 'stage' in action ? action.stage : s };
  }
  return { ...original, stages: original.stages.map((list, index) => (index === s ? actions : list)) };
}

/** The proof's verdict in words, or undefined when it accepts. Anything but a refusal with its code is a bug. */
function refusal(candidate: Schedule): string | undefined {
  try {
    verify(candidate);
    return undefined;
  } catch (error) {
    if (error instanceof FivefoldError && error.code === 'SCHEDULE_INVALID') return error.message;
    throw error;
  }
}

const first = (movable: readonly number[]) => movable[0]!;

test.each([1, 2, 4])('%i mutations: refused exactly when running them goes wrong', (count) => {
  const mutations = fc.array(mutation, { minLength: count, maxLength: count });
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(schedule, mutations, (original, changes) => {
      const mutated = changes.reduce(mutate, original);
      const said = refusal(mutated);
      const happened = bruteForce(mutated, first).fault;
      if ((said === undefined) !== (happened === undefined)) {
        throw new Error(`verify: ${said ?? 'accepted'}\nexecutor: ${happened ?? 'fine'}\n${scheduleText(mutated)}`);
      }
      if (said === undefined) accepted++;
      else refused++;
    }),
    { numRuns: 2000 },
  );
  // Both verdicts are exercised.
  expect(accepted).toBeGreaterThan(10);
  expect(refused).toBeGreaterThan(200);
});

/** Schedules that are right but unusual: built-in ones whose independent neighbours were swapped. */
const unusual = fc.tuple(schedule, fc.array(mutation, { maxLength: 12 })).map(([original, changes]) =>
  changes.reduce((valid, change) => {
    const next = mutate(valid, { ...change, kind: 'swapNext' });
    return refusal(next) === undefined ? next : valid;
  }, original),
);

test('no run, at any relative speed, exceeds the bounds', () => {
  fc.assert(
    fc.property(unusual, fc.infiniteStream(fc.nat()), (candidate, speeds) => {
      const proof = verify(candidate);
      const outcome = bruteForce(candidate, (movable) => movable[speeds.next().value! % movable.length]!);
      expect(outcome.fault).toBeUndefined();
      expect(outcome.live).toEqual(proof.peakLive);
      for (const { from, to, messages } of proof.peakInFlight) {
        expect(outcome.inFlight.get(`${from}>${to}`)).toBeLessThanOrEqual(messages);
      }
    }),
    { numRuns: 300 },
  );
});

test('the bounds are reached when the receiver moves only if nobody else can', () => {
  fc.assert(
    fc.property(unusual, (candidate) => {
      for (const { from, to, messages } of verify(candidate).peakInFlight) {
        const outcome = bruteForce(candidate, (movable) => movable.find((stage) => stage !== to) ?? to);
        expect(outcome.inFlight.get(`${from}>${to}`)).toBe(messages);
      }
    }),
    { numRuns: 200 },
  );
});

interface Outcome {
  /** What went wrong, or undefined. */
  readonly fault: string | undefined;
  /** Most messages seen under way, by `from>to`. */
  readonly inFlight: ReadonlyMap<string, number>;
  /** Most microbatches seen live, by stage. */
  readonly live: readonly number[];
}

/**
 * `pick` chooses which of the stages that can move does. Activations are strings that tell their way (`x3|0|1`), gradients
 * likewise (`g3|2|1`), so that wrong data show whatever their cause: at the end, stage s must have computed from exactly
 * the right ones.
 */
function bruteForce(schedule: Schedule, pick: (movable: readonly number[]) => number): Outcome {
  const last = schedule.stages.length - 1;
  const inFlight = new Map<string, number>();
  const channels = new Map<string, string[]>();
  const channel = (from: number, to: number) => {
    const key = `${from}>${to}`;
    if (!channels.has(key)) channels.set(key, []);
    return channels.get(key)!;
  };
  const next = schedule.stages.map(() => 0);
  const memory = schedule.stages.map(() => new Map<string, string>());
  const live = schedule.stages.map(() => 0);
  const peakLive = schedule.stages.map(() => 0);
  const result = (fault?: string): Outcome => ({ fault, inFlight, live: peakLive });
  const way = (name: string, stages: number[]) => [name, ...stages].join('|');
  const upTo = (s: number) => Array.from({ length: s + 1 }, (_, i) => i);
  const downTo = (s: number) => Array.from({ length: last - s + 1 }, (_, i) => last - i);

  for (;;) {
    const movable = schedule.stages.flatMap((actions, s) => {
      const action = actions[next[s]!];
      if (!action) return [];
      const receives = action.kind === 'recvActivation' || action.kind === 'recvGradient';
      return receives && channel(action.stage, s).length === 0 ? [] : [s];
    });
    if (movable.length === 0) break;
    const s = pick(movable);
    const action = schedule.stages[s]![next[s]!]!;
    next[s] = next[s]! + 1;
    const { microbatch: b } = action;
    const store = (key: string, value: string) => {
      if (memory[s]!.has(key)) return false;
      memory[s]!.set(key, value);
      return true;
    };
    const load = (key: string) => memory[s]!.get(key);
    let fine = b >= 0 && b < schedule.microbatches;
    switch (action.kind) {
      case 'forward': {
        const input = s === 0 ? `x${b}` : load(`in${b}`);
        fine &&= input !== undefined && store(`out${b}`, `${input}|${s}`);
        live[s] = live[s]! + 1;
        peakLive[s] = Math.max(peakLive[s]!, live[s]!);
        break;
      }
      case 'backward': {
        const gradient = s === last ? `g${b}` : load(`gradOut${b}`);
        fine &&= gradient !== undefined && load(`out${b}`) !== undefined && store(`gradIn${b}`, `${gradient}|${s}`);
        live[s] = live[s]! - 1;
        break;
      }
      case 'sendActivation':
      case 'sendGradient': {
        const name = action.kind === 'sendActivation' ? `out${b}` : `gradIn${b}`;
        const value = load(name);
        fine &&= value !== undefined && store(`sent ${name}`, '') && action.stage in schedule.stages;
        const queue = channel(s, action.stage);
        queue.push(value ?? '');
        const key = `${s}>${action.stage}`;
        inFlight.set(key, Math.max(inFlight.get(key) ?? 0, queue.length));
        break;
      }
      case 'recvActivation':
      case 'recvGradient': {
        const name = action.kind === 'recvActivation' ? `in${b}` : `gradOut${b}`;
        fine &&= store(name, channel(action.stage, s).shift()!);
        break;
      }
    }
    if (!fine) return result(`stage ${s} cannot do action ${next[s]! - 1}`);
  }

  for (const [key, queue] of channels) if (queue.length > 0) return result(`${key} is left with messages`);
  for (const [s, actions] of schedule.stages.entries()) {
    if (next[s]! < actions.length) return result(`stage ${s} waits for ever`);
    for (let b = 0; b < schedule.microbatches; b++) {
      if (memory[s]!.get(`out${b}`) !== way(`x${b}`, upTo(s))) return result(`stage ${s} has a wrong activation ${b}`);
      if (memory[s]!.get(`gradIn${b}`) !== way(`g${b}`, downTo(s)))
        return result(`stage ${s} has a wrong gradient ${b}`);
    }
  }
  return result();
}
