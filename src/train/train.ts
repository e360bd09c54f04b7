// Trains a model on the ranks of one machine: settings are settled, data made tokens, the run laid out and planned, then launched.

import { join } from 'node:path';
import { configName } from '../checkpoint/index-file.ts';
import type { ModelSource } from '../checkpoint/model-source.ts';
import { loadChatTemplate } from '../data/chat-template.ts';
import { preparePairs } from '../data/pairs.ts';
import type { PrepareProgress } from '../data/progress.ts';
import { dataSources } from '../data/source.ts';
import { prepareTokens } from '../data/tokens.ts';
import { fail, option } from '../errors.ts';
import { readScheduleFile } from '../files/schedule-file.ts';
import { withTemporary } from '../files/temporary.ts';
import { type Layout, printLayout } from '../mesh/layout.ts';
import { callback, callFields, checkObject, checkSettings } from '../settings.ts';
import type { LayoutProgress } from './choose-layout.ts';
import { launch, type TrainHooks, type TrainSummary } from './launch.ts';
import { layOut } from './lay-out.ts';
import { checkData, planRun, type RunPlan } from './plan-run.ts';
import { goingOn } from './restarted-run.ts';
import { type TrainSettings, trainFields } from './settings.ts';
import { settle } from './settle.ts';

/** Everything has a default but `data`, which a resumed run has already. See src/train/settings.ts for what each may be. */
export interface TrainOptions extends Omit<TrainSettings, 'model' | 'data' | 'layout'>, TrainHooks {
  /** A preset, a config.json, a checkpoint directory, or what `findModel` returned. */
  readonly model?: string | ModelSource | undefined;
  /** Text, .jsonl and token files, or folders of them. */
  readonly data?: string | readonly string[] | undefined;
  readonly layout?: string | Layout | undefined;
  readonly onPrepare?: (progress: PrepareProgress) => void;
  /** While the machine is measured and a layout chosen. */
  readonly onLayOut?: (progress: LayoutProgress) => void;
  /** Called when nothing is left to check but the weights, before the ranks start. */
  readonly onPlan?: (plan: RunPlan) => void;
}

/**
 * Trains, and returns what was measured and predicted.
 * @throws a FivefoldError: exit status 2 for settings that cannot be, before anything is written; TRAINING_DIVERGED, RANK_FAILED,
 * COLLECTIVE_TIMEOUT, RUN_ABORTED while running
 */
export async function train(options: TrainOptions = {}): Promise<TrainSummary> {
  checkObject(options);
  const { onReport, signal, pool, recorderDir, onPrepare, onLayOut, onPlan, ...rest } = options;
  checkSettings(hookFields, {
    signal,
    pool,
    recorderDir,
    onReport,
    onPrepare,
    onLayOut,
    onPlan,
    model: rest.model,
    layout: rest.layout,
  });
  const hooks: TrainHooks = {
    ...(onReport ? { onReport } : {}),
    ...(signal ? { signal } : {}),
    ...(pool ? { pool } : {}),
    ...(recorderDir ? { recorderDir } : {}),
  };
  const asked = settingsOf(rest);
  const settings = goingOn(asked.settings);
  // A run that goes on has a model of its own.
  const source = settings.resume === asked.settings.resume ? asked.source : undefined;
  const given = typeof rest.layout === 'object' ? rest.layout.scheduleFile : undefined;
  const readSchedule = (path: string, fix?: string) =>
    path === given?.path ? given.text : readScheduleFile(path, fix);
  const settled = settle(settings, { source, readSchedule });
  return withTemporary(async (folder) => {
    const { run, tokenizer, model } = settled;
    const options = {
      sources: dataSources(run.data, run.mix),
      tokenizer,
      cacheDirectory: folder,
      vocabSize: model.config.vocabSize,
      ...(signal ? { signal } : {}),
      ...(onPrepare ? { onProgress: onPrepare } : {}),
    };
    const { seqLen, pack } = run;
    const tokens =
      run.objective === 'dpo'
        ? await preparePairs({ ...options, seqLen, pack: pack !== false, template: loadChatTemplate(run.tokenizer) })
        : await prepareTokens({ ...options, ...(pack ? { packTo: seqLen } : {}) });
    checkData(settled, tokens);
    const plan = planRun(await layOut(settled, { signal, pool, onProgress: onLayOut }), tokens, folder);
    onPlan?.(plan);
    return launch(plan, hooks);
  });
}

const hookFields = { ...callFields, onReport: callback, onPrepare: callback, onLayOut: callback, onPlan: callback };

/** Options as plain settings, each checked; a model that was given as an object goes beside them. */
function settingsOf(options: Pick<TrainOptions, 'model' | 'data' | 'layout' | 'set' | 'out'>): {
  settings: TrainSettings;
  source?: ModelSource;
} {
  const { model, data, layout, ...rest } = options;
  const plain = checkSettings(trainFields, {
    ...rest,
    model: typeof model === 'object' ? undefined : model,
    data: typeof data === 'string' ? [data] : data,
    layout: typeof layout === 'object' ? printLayout(layout) : layout,
  });
  if (typeof model !== 'object') return { settings: plain };
  if (plain.set !== undefined)
    fail('OPTION_INVALID', {
      option: option('set'),
      problem: 'the model is given as an object, whose sizes are fixed',
      fix: `give the name of the model, or ${option('set')} to findModel`,
    });
  // One that was not found by a name is what the run saves of it.
  const saved = plain.out === undefined ? model.config.family : join(plain.out, configName);
  return { settings: { ...plain, model: model.name ?? model.weights ?? saved, set: model.set ?? [] }, source: model };
}
