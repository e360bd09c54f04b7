// A schedule as an estimate needs it: how often each stage does what, and its order as words that are repeated, so that what is alive is
// summed up in as many steps as there are different things to do, however many microbatches there are.
import type { Layout } from '../../mesh/layout.ts';
import { type Action, isMessage, type WorkKind } from '../../schedule/schedule.ts';
import { scheduleOf } from '../../schedule/schedules.ts';

/** What a stage does, whichever microbatch it is for. */
export type Act = { readonly kind: WorkKind; readonly chunk: number } | { readonly kind: 'send' | 'recv' };

/** Acts one after another, all of them so many times. */
export interface Word {
  readonly acts: readonly Act[];
  readonly times: number;
}

export interface StageActions {
  /** In their order. Of long schedules those of a shorter one, with which as much is alive at once. */
  readonly words: readonly Word[];
  /** How often each is done in the whole step. */
  readonly counts: readonly { readonly act: Act; readonly count: number }[];
}

type Scheduled = Pick<Layout, 'pp' | 'virtual' | 'schedule' | 'scheduleFile'>;

/**
 * As many microbatches as show all there is to a schedule's order. 1F1B and ZB-H1 are in their steady state after as many as there are stages,
 * and leave it with as many; the same of interleaved 1F1B in groups, which are alike if stages divide the microbatches. GPipe holds all there are, and of DualPipe's backwards as
 * many are in halves, however many there are.
 */
export function enoughMicrobatches({ pp, virtual, schedule }: Scheduled, microbatches: number): number {
  if (schedule === 'gpipe' || schedule === 'file' || schedule === 'dualpipe') return microbatches;
  if (virtual > 1 && microbatches % pp !== 0) return microbatches;
  return Math.min(microbatches, pp * (virtual > 1 ? 2 * virtual + 2 : 3));
}

const known = new Map<string, readonly StageActions[]>();

/** Of every stage. */
export function actionsOf(layout: Layout, microbatches: number): readonly StageActions[] {
  const { pp, virtual, schedule, scheduleFile } = layout;
  const key = `${schedule} ${pp} ${virtual} ${microbatches} ${scheduleFile?.text ?? ''}`;
  const found = known.get(key);
  if (found) return found;
  const enough = enoughMicrobatches(layout, microbatches);
  const made = scheduleOf(layout, enough).stages.map((actions) =>
    stageActions(actions, { microbatches, shown: enough }),
  );
  known.set(key, made);
  return made;
}

/** Of a step of so many microbatches, of which the actions show some: all are alike. */
function stageActions(
  actions: readonly Action[],
  { microbatches, shown }: { readonly microbatches: number; readonly shown: number },
): StageActions {
  const acts = new Map<string, { act: Act; count: number }>();
  const all = actions.map((action) => {
    const key = isMessage(action) ? action.kind : `${action.kind} ${action.chunk}`;
    const act: Act = isMessage(action) ? { kind: action.kind } : { kind: action.kind, chunk: action.chunk };
    const first = acts.get(key) ?? { act, count: 0 };
    first.count += 1;
    acts.set(key, first);
    return first.act;
  });
  return {
    words: wordsOf(all),
    counts: [...acts.values()].map(({ act, count }) => ({ act, count: (count * microbatches) / shown })),
  };
}

/** Longest word that is looked for: of interleaved schedules every chunk's acts in both directions. */
const longestWord = 64;

/** The same acts in the same order, repeated stretches as one word: at every place the one that covers most. */
export function wordsOf(acts: readonly Act[]): Word[] {
  const words: { acts: Act[]; times: number }[] = [];
  for (let at = 0; at < acts.length; ) {
    let best = { length: 1, times: 1 };
    for (let length = 1; length <= Math.min(longestWord, (acts.length - at) / 2); length++) {
      let same = 0;
      while (at + length + same < acts.length && acts[at + length + same] === acts[at + same]) same++;
      const times = 1 + Math.floor(same / length);
      if (times > 1 && times * length > best.times * best.length) best = { length, times };
    }
    const last = words.at(-1);
    if (best.times === 1 && last?.times === 1) last.acts.push(acts[at]!);
    else words.push({ acts: acts.slice(at, at + best.length), times: best.times });
    at += best.length * best.times;
  }
  return words;
}
