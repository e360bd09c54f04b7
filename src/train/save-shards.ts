// Saves a training run: every rank writes the shards it is responsible for, rank 0 commits.

import { beginSave, commitSave } from '../checkpoint/commit.ts';
import { dtypeBytes } from '../checkpoint/dtypes.ts';
import { heldNumbers } from '../checkpoint/held-numbers.ts';
import { planCheckpoint, savedDtypes, type TensorSpec, type WeightsType } from '../checkpoint/plan.ts';
import { tensorRanges } from '../checkpoint/shards.ts';
import { openWriter } from '../checkpoint/writer.ts';
import { fail } from '../errors.ts';
import { type Coords, coordsOf, type Mesh, worldGroup } from '../mesh/mesh.ts';
import { paramSpecs } from '../model/params.ts';
import { stageParts } from '../model/stages.ts';
import { sumSquares } from '../runtime/kernels/local.ts';
import type { StateMemory } from '../runtime/memory.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import { isFirstHolder } from '../state/placement.ts';
import type { StateVector } from '../state/vectors.ts';
import type { StepSettings } from '../step/settings.ts';
import type { TrainJob } from './job.ts';
import { masterName, momentName, outerMomentumName } from './moments.ts';

/** Blocks until the checkpoint is whole on disk, on every rank. */
export function saveCheckpoint(
  transport: Transport,
  memory: StateMemory,
  vectors: readonly StateVector[],
  settings: StepSettings,
  save: NonNullable<TrainJob['save']>,
  number: number,
): void {
  const { layout, outer } = settings;
  const coords = coordsOf(layout, transport.rank);
  const plan = planOf(settings, save.weightsType);
  const held = numbersOf(vectors, memory, layout, transport.rank);
  expectFinite(held, number);
  const together = (site: string) => {
    if (transport.size > 1) transport.barrier(worldGroup(layout), site);
  };
  if (transport.rank === 0) beginSave(save.out, plan, number, save.claim);
  together('save begins');
  const own = held.filter(({ vector }) => isSaver(vector, coords));
  if (own.length > 0) {
    let site = 'saving';
    const writer = openWriter(save.out, plan, number, () => transport.heartbeat(site));
    for (const { role, spec, ranges, numbers } of own) {
      site = `saving ${spec.name}`;
      transport.heartbeat(site);
      for (const name of tensorsOf[role](spec.tensor.name, outer && coords.dp))
        if (plan.tensors.has(name)) writer.writeSlice(name, tensorRanges(spec, ranges), numbers);
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

/** The tensors that a piece of a role is written to. */
const tensorsOf = {
  parameter: (tensor: string) => [tensor, masterName(tensor)],
  firstMoment: (tensor: string, replica?: number) => [momentName(tensor, 'first', replica)],
  secondMoment: (tensor: string, replica?: number) => [momentName(tensor, 'second', replica)],
  outerMomentum: (tensor: string) => [outerMomentumName(tensor)],
} as const;
type SavedRole = keyof typeof tensorsOf;
const savedRoles = Object.keys(tensorsOf) as SavedRole[];

const numbersOf = (vectors: readonly StateVector[], memory: StateMemory, mesh: Mesh, rank: number) =>
  savedRoles.flatMap((role) =>
    heldNumbers(vectors, role, memory, mesh, coordsOf(mesh, rank)).map((piece) => ({ ...piece, role })),
  );

/** Of the ranks that hold the same, the first writes it. */
const isSaver = ({ types, bucket }: StateVector, coords: Coords): boolean =>
  isFirstHolder(types, coords) && (!bucket.onBothEnds || coords.pp === 0);

/** A run that has diverged must not replace its last good checkpoint: the rank that sees it ends the run before anything is committed. */
function expectFinite(held: ReturnType<typeof numbersOf>, step: number): void {
  for (const { role, spec, numbers } of held)
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
  for (let stage = 0; stage < layout.pp; stage++)
    for (const part of stageParts(config, layout, stage))
      for (const { tensor } of paramSpecs(config, layout, part)) tensors.set(tensor.name, { ...tensor, dtype });
  const weights = [...tensors.values()];
  const rounded = dtypeBytes[dtype] < dtypeBytes[exact];
  const replicas = outer ? Array.from({ length: layout.dp }, (_, replica) => replica) : [undefined];
  const optimizer = weights.flatMap((tensor) => [
    ...(rounded ? [{ ...tensor, name: masterName(tensor.name), dtype: exact }] : []),
    ...replicas.flatMap((replica) =>
      (['first', 'second'] as const).map((which) => ({
        ...tensor,
        name: momentName(tensor.name, which, replica),
        dtype: exact,
      })),
    ),
    ...(outer ? [{ ...tensor, name: outerMomentumName(tensor.name), dtype: exact }] : []),
  ]);
  return planCheckpoint({ tensors: weights, optimizer });
}
