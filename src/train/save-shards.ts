// Saves a training run: every rank writes the shards it is responsible for and rank 0 commits, or one thread writes copies of all.

import { beginSave, commitSave } from '../checkpoint/commit.ts';
import { dtypeBytes } from '../checkpoint/dtypes.ts';
import { type HeldNumbers, heldNumbers } from '../checkpoint/held-numbers.ts';
import {
  type CheckpointPlan,
  planCheckpoint,
  savedDtypes,
  type TensorSpec,
  type WeightsType,
} from '../checkpoint/plan.ts';
import { storedBoxes, storedTensors } from '../checkpoint/shards.ts';
import { openWriter } from '../checkpoint/writer.ts';
import { fail } from '../errors.ts';
import { coordsOf, type Mesh, worldGroup } from '../mesh/mesh.ts';
import { paramSpecs } from '../model/params.ts';
import { stageParts } from '../model/stages.ts';
import { sumSquares } from '../runtime/kernels/local.ts';
import type { StateMemory } from '../runtime/memory.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import { type SavedRole, savedRoles, savedVectors } from '../state/saved.ts';
import { ownerOf, type StateVector } from '../state/vectors.ts';
import { trainingState } from '../step/outer-step.ts';
import type { StepSettings } from '../step/settings.ts';
import type { TrainJob } from './job.ts';
import { masterName, momentName, outerMomentumName } from './moments.ts';

/** A piece of a rank's state that it writes; `replica`: whose it is, where each has its own. */
type SavedPiece = HeldNumbers & { readonly role: SavedRole; readonly replica: number | undefined };
type Save = NonNullable<TrainJob['save']>;
type Beat = (site: string) => void;

/** Blocks until the checkpoint is whole on disk, on every rank. */
export function saveCheckpoint(
  transport: Transport,
  memory: StateMemory,
  vectors: readonly StateVector[],
  settings: StepSettings,
  save: Save,
  number: number,
): void {
  const { layout } = settings;
  const plan = planOf(settings, save.weightsType);
  const own = piecesToSave(vectors, memory, layout, transport.rank);
  expectFinite(own, number);
  const together = (site: string) => {
    if (transport.size > 1) transport.barrier(worldGroup(layout), site);
  };
  const beat = (site: string) => transport.heartbeat(site);
  if (transport.rank === 0) beginSave(save.out, plan, number, save.claim);
  together('save begins');
  writePieces(own, plan, save, number, beat);
  together('save written');
  if (transport.rank === 0) commit(plan, save, number, beat);
  together('save committed');
}

/** The same from copies of what every rank writes, in rank order, in one thread. */
export function saveCopies(
  copies: readonly StateMemory[],
  settings: StepSettings,
  save: Save,
  number: number,
  beat: Beat,
): void {
  const { layout } = settings;
  const plan = planOf(settings, save.weightsType);
  beginSave(save.out, plan, number, save.claim);
  for (const [rank, copy] of copies.entries()) {
    const { vectors } = trainingState(settings, coordsOf(layout, rank));
    writePieces(piecesToSave(vectors, copy, layout, rank), plan, save, number, beat);
  }
  commit(plan, save, number, beat);
}

function writePieces(own: readonly SavedPiece[], plan: CheckpointPlan, save: Save, number: number, beat: Beat): void {
  if (own.length === 0) return;
  let site = 'saving';
  const writer = openWriter(save.out, plan, number, () => beat(site));
  for (const { role, spec, ranges, numbers, replica } of own) {
    site = `saving ${spec.name}`;
    beat(site);
    for (const { tensor, ranges: own, start, end } of storedBoxes(spec, ranges))
      for (const name of tensorsOf[role](tensor.name, replica))
        if (plan.tensors.has(name)) writer.writeSlice(name, own, numbers.subarray(start, end));
  }
  writer.finish();
}

const commit = (plan: CheckpointPlan, save: Save, number: number, beat: Beat): void =>
  commitSave(save.out, plan, number, {
    claim: save.claim,
    config: save.config,
    manifest: { ...save.manifest, step: number },
    tokenizerPath: save.tokenizerPath,
    keepLast: save.keepLast,
    onPiece: () => beat('save commits'),
  });

/** The tensors that a piece of a role is written to. */
const tensorsOf: Readonly<Record<SavedRole, (tensor: string, replica?: number) => readonly string[]>> = {
  parameter: (tensor) => [tensor, masterName(tensor)],
  firstMoment: (tensor, replica) => [momentName(tensor, 'first', replica)],
  secondMoment: (tensor, replica) => [momentName(tensor, 'second', replica)],
  outerMomentum: (tensor) => [outerMomentumName(tensor)],
};

/** All that a rank writes. */
export function piecesToSave(
  vectors: readonly StateVector[],
  memory: StateMemory,
  mesh: Mesh,
  rank: number,
): SavedPiece[] {
  const coords = coordsOf(mesh, rank);
  const saved = savedVectors(vectors, coords);
  return savedRoles.flatMap((role) =>
    heldNumbers(saved, role, memory, mesh, coords).map((piece) => ({
      ...piece,
      role,
      replica: ownerOf(piece.vector, coords),
    })),
  );
}

/** A run that has diverged must not replace its last good checkpoint: the rank that sees it ends the run before anything is committed. */
export function expectFinite(own: readonly SavedPiece[], step: number): void {
  for (const { role, spec, numbers } of own)
    if (!Number.isFinite(sumSquares(numbers)))
      fail('TRAINING_DIVERGED', {
        step,
        problem: `${role === 'parameter' ? 'weights' : 'moments'} of ${spec.name} that are not numbers`,
      });
}

/** Every tensor of the model, whatever stage holds it. Weights that are rounded are also kept as they are, for a resumed run. */
function planOf({ config, layout, precision, outer }: StepSettings, weightsType: WeightsType | undefined) {
  const exact = savedDtypes[precision];
  const dtype = savedDtypes[weightsType ?? precision];
  const tensors = new Map<string, TensorSpec>();
  const withoutMoments = new Set<string>();
  for (let stage = 0; stage < layout.pp; stage++)
    for (const part of stageParts(config, layout, stage))
      for (const spec of paramSpecs(config, layout, part))
        for (const tensor of storedTensors(spec)) {
          tensors.set(tensor.name, { ...tensor, dtype });
          if (spec.byLoad) withoutMoments.add(tensor.name);
        }
  const weights = [...tensors.values()];
  const rounded = dtypeBytes[dtype] < dtypeBytes[exact];
  const replicas = outer ? Array.from({ length: layout.dp }, (_, replica) => replica) : [undefined];
  const namesOfState = (tensor: string) => [
    ...replicas.flatMap((replica) => (['first', 'second'] as const).map((which) => momentName(tensor, which, replica))),
    ...(outer ? [outerMomentumName(tensor)] : []),
  ];
  const optimizer = weights.flatMap((tensor) => [
    ...(rounded ? [{ ...tensor, name: masterName(tensor.name), dtype: exact }] : []),
    ...(withoutMoments.has(tensor.name) ? [] : namesOfState(tensor.name)).map((name) => ({
      ...tensor,
      name,
      dtype: exact,
    })),
  ]);
  return planCheckpoint({ tensors: weights, optimizer });
}
