// Where a run goes on that was ended from outside: from the last checkpoint in its directory, when a rank was lost or when the command
// of a killed process is given again.
import { existsSync, realpathSync } from 'node:fs';
import { readManifest } from '../checkpoint/commit.ts';
import { identityOf } from '../checkpoint/hf-directory.ts';
import { holdsWeights } from '../checkpoint/out-directory.ts';
import { parseLayout, printLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import { layoutOnFewer } from './fewer-ranks.ts';
import { fixedSettings } from './go-on.ts';
import { readRun } from './manifest.ts';
import { planRun, type RunPlan } from './plan-run.ts';
import { absoluteModel } from './run-paths.ts';
import { type TrainSettings, trainDefaults } from './settings.ts';
import type { LaidOut } from './settled.ts';

/** The plan of what is left to do, on at most `ranks` ranks if that is given; undefined: no layout has so few. */
export function goOnFrom(plan: RunPlan, ranks?: number): RunPlan | undefined {
  const { settled, tokens } = plan;
  const fewer = ranks === undefined ? settled : onFewer(settled, ranks);
  return fewer && planRun(fromCheckpoint(fewer), tokens, outOf(settled));
}

function onFewer(settled: LaidOut, ranks: number): LaidOut | undefined {
  const { layout, run, model } = settled;
  // Replicas that take steps of their own each have their moments: with fewer it would be another run.
  const replicas = run.syncEvery > 1 ? { replicas: layout.dp } : {};
  const found = layoutOnFewer(layout, ranks, { config: model.config, batch: run, ...replicas });
  if (!found) return undefined;
  const { microBatch, microbatches } = found;
  const text = printLayout(found.layout);
  // Whose speeds they are is not known any more.
  const { shares: _, speeds: __, notes: ___, because: ____, ...alike } = settled;
  const { speeds: _____, ...kept } = run;
  return { ...alike, notes: [], layout: found.layout, microbatches, run: { ...kept, layout: text, microBatch } };
}

const outOf = ({ given }: LaidOut): string => given.out ?? given.resume!;

/** Until the run has saved a step, it goes on from where it began. */
function fromCheckpoint(settled: LaidOut): LaidOut {
  const { given } = settled;
  const out = outOf(settled);
  if (readManifest(out) === undefined) return settled;
  // Its identity first: a step saved after must not pass for this one.
  const weights = { path: out, identity: identityOf(out) };
  return { ...settled, before: readRun(out), weights, given: { ...given, resume: out } };
}

/**
 * With `restart`, the command of a run goes on with it when it is given again: as if the run's directory were to be resumed. What
 * another command has saved there is left to be refused.
 */
export function goingOn(given: TrainSettings): TrainSettings {
  const going = whereItWas(given);
  if (going === given || given.layout !== 'auto') return going;
  // Chosen anew its layout could be another one. Where that has lost ranks, whose speeds they were is not known any more.
  const ranks = worldSize(parseLayout(readRun(given.out!).run.layout));
  const { speeds } = given;
  const ofOthers = Array.isArray(speeds) && speeds.length !== ranks;
  return { ...going, layout: undefined, ...(ofOthers ? { speeds: undefined } : {}) };
}

function whereItWas(given: TrainSettings): TrainSettings {
  const { restart, out, resume } = given;
  if (restart === undefined || out === undefined || !holdsWeights(out) || readManifest(out) === undefined) return given;
  if (resume !== undefined && existsSync(resume) && realpathSync(resume) === realpathSync(out)) return given;
  const there = readRun(out);
  const { model, set, ...rest } = given;
  if (resume === undefined) {
    const same =
      there.run.model === absoluteModel(model ?? trainDefaults.model) && `${there.run.set}` === `${set ?? []}`;
    return same ? { ...rest, resume: out } : given;
  }
  const from = readRun(resume);
  const kept = ['model', 'set', ...fixedSettings] as const;
  const same = kept.every((key) => `${there.run[key]}` === `${from.run[key]}`) && there.step >= from.step;
  return same ? { ...given, resume: out } : given;
}
