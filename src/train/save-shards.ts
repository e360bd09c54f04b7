// Saves a training run: every rank writes the shards it is responsible for, rank 0 commits.

import { beginSave, commitSave } from '../checkpoint/commit.ts';
import { dtypeBytes } from '../checkpoint/dtypes.ts';
import { planCheckpoint, savedDtypes, type TensorSpec, type WeightsType } from '../checkpoint/plan.ts';
import { storedPart, tensorRanges } from '../checkpoint/shards.ts';
import { openWriter } from '../checkpoint/writer.ts';
import { fail } from '../errors.ts';
import { coordsOf, worldGroup } from '../mesh/mesh.ts';
import { paramSpecs } from '../model/params.ts';
import { sumSquares } from '../runtime/kernels/local.ts';
import type { Floats } from '../runtime/kernels/local-kernels.ts';
import type { RankMemory } from '../runtime/memory.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import type { StepSettings } from '../step/settings.ts';
import { isTiedAcrossStages, stageParts } from '../step/stages.ts';
import type { TrainingStep } from '../step/step.ts';
import type { TrainJob } from './job.ts';
import { masterName, momentName } from './moments.ts';

/** Blocks until the checkpoint is whole on disk, on every rank. */
export function saveCheckpoint(
  transport: Transport,
  memory: RankMemory,
  step: TrainingStep,
  settings: StepSettings,
  save: NonNullable<TrainJob['save']>,
  number: number,
): void {
  const { layout, config } = settings;
  const coords = coordsOf(layout, transport.rank);
  const plan = planOf(settings, save.weightsType);
  expectFinite(step, memory, number);
  const together = (site: string) => {
    if (transport.size > 1) transport.barrier(worldGroup(layout), site);
  };
  if (transport.rank === 0) beginSave(save.out, plan, number, save.claim);
  together('save begins');
  if (coords.dp === 0) {
    let site = 'saving';
    const writer = openWriter(save.out, plan, number, () => transport.heartbeat(site));
    for (const { spec, param, firstMoment, secondMoment } of step.params) {
      const cut = spec.tp.startsWith('V');
      if ((!cut && coords.tp > 0) || (isTiedAcrossStages(config, layout, spec) && coords.pp > 0)) continue;
      const write = (name: string, id: number) => {
        const data = storedPart(memory.of(id) as Floats, spec, layout, coords);
        if (data.length > 0) writer.writeSlice(name, tensorRanges(spec, layout, coords), data);
      };
      site = `saving ${spec.name}`;
      transport.heartbeat(site);
      write(spec.tensor.name, param);
      if (plan.tensors.has(masterName(spec.tensor.name))) write(masterName(spec.tensor.name), param);
      write(momentName(spec.tensor.name, 'first'), firstMoment);
      write(momentName(spec.tensor.name, 'second'), secondMoment);
    }
    writer.finish();
  }
  together('save written');
  if (transport.rank === 0)
    commitSave(save.out, plan, number, {
      claim: save.claim,
      config: save.config,
      manifest: { ...save.manifest, step: number },
      tokenizerPath: save.tokenizerPath,
      keepLast: save.keepLast,
      onPiece: () => transport.heartbeat('save commits'),
    });
  together('save committed');
}

/** A run that has diverged must not replace its last good checkpoint: the rank that sees it ends the run before anything is committed. */
function expectFinite({ params }: TrainingStep, memory: RankMemory, step: number): void {
  for (const { spec, param, firstMoment, secondMoment } of params)
    for (const [what, id] of [
      ['weights', param],
      ['moments', firstMoment],
      ['moments', secondMoment],
    ] as const)
      if (!Number.isFinite(sumSquares(memory.of(id) as Floats)))
        fail('TRAINING_DIVERGED', { step, problem: `${what} of ${spec.name} that are not numbers` });
}

/** Every tensor of the model, whatever stage holds it. Weights that are rounded are also kept as they are, for a resumed run. */
function planOf({ config, layout, precision }: StepSettings, weightsType: WeightsType | undefined) {
  const exact = savedDtypes[precision];
  const dtype = savedDtypes[weightsType ?? precision];
  const tensors = new Map<string, TensorSpec>();
  for (let stage = 0; stage < layout.pp; stage++)
    for (const part of stageParts(config, layout, stage))
      for (const { tensor } of paramSpecs(config, layout, part)) tensors.set(tensor.name, { ...tensor, dtype });
  const weights = [...tensors.values()];
  const rounded = dtypeBytes[dtype] < dtypeBytes[exact];
  const optimizer = weights.flatMap((tensor) => [
    ...(rounded ? [{ ...tensor, name: masterName(tensor.name), dtype: exact }] : []),
    { ...tensor, name: momentName(tensor.name, 'first'), dtype: exact },
    { ...tensor, name: momentName(tensor.name, 'second'), dtype: exact },
  ]);
  return planCheckpoint({ tensors: weights, optimizer });
}
