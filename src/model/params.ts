// The parameters of a model as specs: what each is called, how it is cut over the mesh and how it starts.
// Shards, initial values, checkpoints and the finishing of gradients all come from the spec.
import type { Coords, Mesh } from '../mesh/mesh.ts';
import type { Shape, Value } from '../program/program.ts';
import { typedAxes } from '../program/types.ts';
import { blockSpecs } from './block-params.ts';
import type { ModelConfig } from './config.ts';
import { tensorNames } from './families.ts';
import type { TensorNames } from './family.ts';
import { normSpecs, onResidual, type ParamSpec, type Sharding, spec } from './param-spec.ts';

export type { ParamSpec } from './param-spec.ts';

/** What a stage is made of. */
export type PartName = 'embedding' | 'block' | 'head';
/** One part of the model; `layer` is the block's number. */
export interface Part {
  readonly name: PartName;
  readonly layer: number;
}

/** A part's parameters by key. */
export type Params = Readonly<Record<string, Value>>;

/** The vocabulary's rows after padding to whole shards. */
export const paddedVocab = (config: ModelConfig, layout: Sharding): number =>
  Math.ceil(config.vocabSize / layout.tp) * layout.tp;

/** The specs of a part, in the order in which they are stored, initialised and reduced. Of a layout they depend on tp and sp alone. */
export function paramSpecs(config: ModelConfig, layout: Sharding, part: Part): readonly ParamSpec[] {
  const ofModel = known.get(config) ?? new Map<string, readonly ParamSpec[]>();
  known.set(config, ofModel);
  const key = `${layout.tp} ${layout.sp} ${part.name} ${part.layer}`;
  const found = ofModel.get(key) ?? specsOf(config, layout, part);
  ofModel.set(key, found);
  return found;
}

const known = new WeakMap<ModelConfig, Map<string, readonly ParamSpec[]>>();

function specsOf(config: ModelConfig, layout: Sharding, part: Part): readonly ParamSpec[] {
  const names = tensorNames(config);
  switch (part.name) {
    case 'embedding':
      return embeddingSpecs(config, layout, names);
    case 'block':
      return blockSpecs({ config, layout, names, layer: part.layer });
    case 'head':
      return headSpecs(config, layout, names);
  }
}

function embeddingSpecs(config: ModelConfig, layout: Sharding, names: TensorNames): ParamSpec[] {
  const table = vocabularySpec(config, layout, 'table', names.embedding);
  const norm = config.embeddingNorm ? normSpecs(config, layout, { key: 'norm', tensor: names.embeddingNorm! }) : [];
  if (config.positions.kind !== 'learned') return [table, ...norm];
  const draft = {
    key: 'positions',
    tensor: names.positions!,
    shape: [config.positions.max, config.hiddenSize],
    tp: onResidual(layout),
  };
  return [table, spec(config, draft, 'weight'), ...norm];
}

function vocabularySpec(config: ModelConfig, layout: Sharding, key: string, tensor: string): ParamSpec {
  const shape = [config.vocabSize, config.hiddenSize];
  return spec(
    config,
    { key, tensor, shape, paddedShape: [paddedVocab(config, layout), config.hiddenSize], tp: 'V0' },
    'weight',
  );
}

function headSpecs(config: ModelConfig, layout: Sharding, names: TensorNames): ParamSpec[] {
  const norm = normSpecs(config, layout, { key: 'norm', tensor: names.finalNorm });
  return [...norm, vocabularySpec(config, layout, 'head', config.tiedHead ? names.embedding : names.head)];
}

/** Where a rank's shard lies along a dim of the padded parameter: which of how many equal parts. */
function partOf({ types }: ParamSpec, dim: number, mesh: Mesh, coords: Coords): { index: number; count: number } {
  const axis = typedAxes.find((each) => types[each] === `V${dim}`);
  return axis === undefined ? { index: 0, count: 1 } : { index: coords[axis], count: mesh[axis] };
}

const origin: Coords = { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 };

/** The shape of a rank's shard. */
export const shardShape = (spec: ParamSpec, mesh: Mesh): Shape =>
  spec.paddedShape.map((size, dim) => size / partOf(spec, dim, mesh, origin).count);

/** The first index of a rank's shard in each dim of the whole parameter. */
export const shardOrigin = (spec: ParamSpec, mesh: Mesh, coords: Coords): number[] =>
  shardShape(spec, mesh).map((size, dim) => partOf(spec, dim, mesh, coords).index * size);
