// The paths in a run's settings, so that they mean the same from any folder.
import { resolve } from 'node:path';
import { withSchedulePath } from '../mesh/layout.ts';
import { presets } from '../model/presets.ts';
import type { RunSettings } from './settings.ts';

export const absoluteModel = (model: string): string => (Object.hasOwn(presets, model) ? model : resolve(model));

/** What is saved of a run: it is gone on with, and started again, from wherever that is done. */
export function withAbsolutePaths(run: RunSettings): RunSettings {
  const { model, data, tokenizer, layout } = run;
  return {
    ...run,
    model: absoluteModel(model),
    data: data.map((path) => resolve(path)),
    layout: withSchedulePath(layout, (path) => resolve(path)),
    ...(tokenizer === undefined ? {} : { tokenizer: resolve(tokenizer) }),
  };
}
