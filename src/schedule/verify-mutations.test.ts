// The proof against a slow, independent executor: on mutated schedules both agree, and the memory bounds are exact.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anySchedule } from '../../test/schedule-cases.ts';
import { scheduleText } from '../../test/schedule-text.ts';
import { FivefoldError } from '../errors.ts';
import { type Action, messageTag, placementOf, type Schedule } from './schedule.ts';
import { verify } from './verify.ts';

const schedule = anySchedule({ stages: 5, microbatches: 7, chunks: 3 });

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
    'rechunk',
    'rekind',
    'relabel',
    'hasten',
  ),
  stage: fc.nat(),
  at: fc.nat(),
  other: fc.nat(),
});
type Mutation = typeof mutation extends fc.Arbitrary<infer M> ? M : never;

const kinds = [
  { kind: 'forward' },
  { kind: 'backward' },
  { kind: 'inputGradient' },
  { kind: 'weightGradient' },
  { kind: 'send', what: 'activation' },
  { kind: 'recv', what: 'activation' },
  { kind: 'send', what: 'gradient' },
  { kind: 'recv', what: 'gradient' },
] as const;

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
  if (kind === 'rechunk') actions[i] = { ...action, chunk: other % (original.chunks + 1) };
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
    const after = actions.findIndex((one) => one.kind === 'forward' && sameWork(one, action));
    if (after < i) actions.splice(after + 1, 0, ...actions.splice(i, 1));
  }
  if (kind === 'rekind') {
    const replaced = kinds[other % kinds.length]!;
    const { microbatch, chunk } = action;
    const toward = 'stage' in action ? action.stage : s;
    actions[i] =
      'what' in replaced ? { ...replaced, microbatch, chunk, stage: toward } : { ...replaced, microbatch, chunk };
  }
  return { ...original, stages: original.stages.map((list, index) => (index === s ? actions : list)) };
}

const sameWork = (a: Action, b: Action): boolean => a.microbatch === b.microbatch && a.chunk === b.chunk;

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
 * `pick` chooses which of the stages that can move does. Activations are strings that tell their way (`x3|0|1`) by virtual
 * stages, gradients likewise (`g3|2|1`), so that wrong data show whatever their cause: at the end, every chunk must have
 * computed from exactly the right ones. Messages carry their tag, and a receiver refuses another one than its own.
 */
function bruteForce(schedule: Schedule, pick: (movable: readonly number[]) => number): Outcome {
  const { stages, microbatches, chunks, forwardOnly } = schedule;
  const count = stages.length * chunks;
  const inFlight = new Map<string, number>();
  const channels = new Map<string, { value: string; tag: number }[]>();
  const channel = (from: number, to: number) => {
    const key = `${from}>${to}`;
    if (!channels.has(key)) channels.set(key, []);
    return channels.get(key)!;
  };
  const next = stages.map(() => 0);
  const memory = stages.map(() => new Map<string, string>());
  const live = stages.map(() => 0);
  const peakLive = stages.map(() => 0);
  const result = (fault?: string): Outcome => ({ fault, inFlight, live: peakLive });
  const way = (name: string, from: number, to: number) => {
    const step = from <= to ? 1 : -1;
    return [name, ...Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => from + step * i)].join('|');
  };

  /** Does it, and says whether it could be done. */
  const act = (s: number, action: Action): boolean => {
    const { microbatch: b, chunk: c } = action;
    if (b < 0 || b >= microbatches || c < 0 || c >= chunks) return false;
    const v = c * stages.length + s;
    const own = memory[s]!;
    const store = (key: string, value: string) => !own.has(key) && own.set(key, value) !== undefined;
    const load = (name: string) => own.get(`${name} ${b}.${c}`);
    const keep = (name: string, value: string) => store(`${name} ${b}.${c}`, value);
    const end = () => {
      live[s] = live[s]! - 1;
      return true;
    };
    switch (action.kind) {
      case 'forward': {
        const input = v === 0 ? `x${b}` : load('in');
        live[s] = live[s]! + 1;
        peakLive[s] = Math.max(peakLive[s]!, live[s]!);
        return input !== undefined && keep('out', `${input}|${v}`) && (!forwardOnly || end());
      }
      case 'backward':
      case 'inputGradient': {
        const gradient = v === count - 1 ? `g${b}` : load('gradOut');
        const done = gradient !== undefined && load('out') !== undefined && keep('gradIn', `${gradient}|${v}`);
        if (action.kind === 'inputGradient') return done && !forwardOnly;
        return done && !forwardOnly && keep('weights', gradient) && end();
      }
      case 'weightGradient': {
        // Works on what the input gradient left behind.
        const gradient = v === count - 1 ? `g${b}` : load('gradOut');
        return load('gradIn') !== undefined && keep('weights', gradient!) && end();
      }
      case 'send': {
        const name = action.what === 'activation' ? 'out' : 'gradIn';
        const value = load(name);
        if (value === undefined || !keep(`sent ${name}`, '') || !(action.stage in stages)) return false;
        const queue = channel(s, action.stage);
        queue.push({ value, tag: messageTag(placementOf(schedule), s, action) });
        const key = `${s}>${action.stage}`;
        inFlight.set(key, Math.max(inFlight.get(key) ?? 0, queue.length));
        return true;
      }
      case 'recv': {
        const { value, tag } = channel(action.stage, s).shift()!;
        const name = action.what === 'activation' ? 'in' : 'gradOut';
        return tag === messageTag(placementOf(schedule), s, action) && keep(name, value);
      }
    }
  };

  for (;;) {
    const movable = stages.flatMap((actions, s) => {
      const action = actions[next[s]!];
      if (!action) return [];
      return action.kind === 'recv' && channel(action.stage, s).length === 0 ? [] : [s];
    });
    if (movable.length === 0) break;
    const s = pick(movable);
    const action = stages[s]![next[s]!]!;
    next[s] = next[s]! + 1;
    if (!act(s, action)) return result(`stage ${s} cannot do action ${next[s]! - 1}`);
  }

  for (const [key, queue] of channels) if (queue.length > 0) return result(`${key} is left with messages`);
  for (const [s, actions] of stages.entries()) {
    if (next[s]! < actions.length) return result(`stage ${s} waits for ever`);
    for (let b = 0; b < microbatches; b++)
      for (let c = 0; c < chunks; c++) {
        const v = c * stages.length + s;
        const has = (name: string) => memory[s]!.get(`${name} ${b}.${c}`);
        if (has('out') !== way(`x${b}`, 0, v)) return result(`stage ${s} has a wrong activation ${b}.${c}`);
        if (forwardOnly) continue;
        if (has('gradIn') !== way(`g${b}`, count - 1, v)) return result(`stage ${s} has a wrong gradient ${b}.${c}`);
        if (has('weights') === undefined) return result(`stage ${s} has no gradient of the weights ${b}.${c}`);
      }
  }
  return result();
}
