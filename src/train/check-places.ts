// Where a run writes: whether it can.
import { isKeptStep } from '../checkpoint/keep.ts';
import { checkOut } from '../checkpoint/out-directory.ts';
import { option } from '../errors.ts';
import { refuse } from './refuse.ts';
import { checkRunFiles } from './run-directory.ts';
import { type TrainSettings, trainDefaults } from './settings.ts';
import { checkTrace } from './trace-file.ts';

/** @throws an error of exit status 2 that names the setting */
export function checkPlaces({ out = undefined, resume, trace, saveEvery, keep }: TrainSettings): void {
  const to = out ?? resume;
  if (to !== undefined) {
    if (isKeptStep(to))
      refuse(
        'out',
        `${to} is a kept step of another run, which the next one saved would change`,
        `give ${option('out')} a new directory`,
      );
    checkOut(to, { resume });
    checkRunFiles(to);
  } else
    for (const [key, value] of Object.entries({ saveEvery, keep }))
      if (value !== undefined && !(key === 'keep' && value === trainDefaults.keep))
        refuse(key, 'there is nowhere to save to', `add ${option('out')} <dir>`);
  if (trace !== undefined) checkTrace(trace);
}

/** A run that is to be restarted needs checkpoints to go on from. */
export function checkRestart({ restart, out, resume, steps }: TrainSettings, saveEvery: number | undefined): void {
  if (restart === undefined) return;
  const every = `${option('saveEvery')} ${saveEvery ?? Math.max(1, Math.floor((steps ?? trainDefaults.steps) / 10))}`;
  if (out === undefined && resume === undefined)
    refuse('restart', 'nothing is saved to go on from', `add ${option('out')} <dir> and ${every}`);
  if (saveEvery === undefined) refuse('restart', 'nothing is saved to go on from before the end', `add ${every}`);
}
