// Traces the programs of a part of the model for one rank, cut by purpose.
//
//   forward           x ─► y, and what the backward pass reads (`saved:<id>`)
//   recompute         what of that is not kept but computed anew, from what is kept
//   backward          dy, saved ─► dx, gradients `sum:<key>`
//   inputGradient     the part of backward that dx needs; weightGradient the rest, later (zero-bubble schedules)
import type { Layout } from '../mesh/layout.ts';
import type { Coords } from '../mesh/mesh.ts';
import type { RecomputePolicy } from '../mesh/recompute.ts';
import { countTokens, foreignBlocks, keyTokens } from '../mesh/sequence.ts';
import type { TokenPlaces } from '../ops/attention.ts';
import { grad } from '../ops/grad.ts';
import { addAsDoubles } from '../ops/load.ts';
import type { Node, Program, Shape, Trace, Value } from '../program/program.ts';
import { slice } from '../program/slice.ts';
import { at, finish, input, startTrace } from '../program/trace.ts';
import { dualTypes, type Types } from '../program/types.ts';
import { block } from './block.ts';
import type { ModelConfig } from './config.ts';
import type { AttentionPlaces } from './context-attention.ts';
import { embed } from './ends.ts';
import { fetchedAgain } from './fetch-again.ts';
import { keptFor } from './kept.ts';
import type { Mixed } from './mlp.ts';
import { type ParamSpec, type Params, type PartName, paramSpecs, shardShape } from './params.ts';
import { lossSeeds, type RouterContext, type Told, toldParts, toldTypes } from './router.ts';

/** What a rank's programs depend on. */
export interface TraceSettings {
  readonly config: ModelConfig;
  readonly layout: Layout;
  readonly coords: Coords;
  /** Sequences of a microbatch on this rank. */
  readonly batch: number;
  /** Tokens of a sequence on this rank: a share of it over cp. */
  readonly seqLen: number;
  /** See StepSettings. */
  readonly attentionBlock?: number;
  /** Of training; undefined: nothing is told of routing. */
  readonly router?: RouterContext;
}

/**
 * Inputs by name: `x` (or `ids`), `positions`, `documents`, those of {@link keyPlaceNames}, `param:<key>`; of backward ones also `dy`, `saved:<id>`, `sum:<key>`, and of weightGradient
 * `kept:<id>`: what inputGradient hands on to it. `told:<name>`: of what is told of routing (`toldParts`), sums that the forward program adds to.
 */
export interface PartPrograms {
  readonly forward: Program;
  readonly recompute?: Program;
  readonly backward: Program;
  readonly inputGradient: Program;
  readonly weightGradient: Program;
}

const tokenTypes: Types = { dp: 'V0', ep: 'V0', cp: 'V1' };
export const residualTypes = (layout: Layout): Types => ({ ...tokenTypes, tp: layout.sp ? 'V1' : 'I' });

/** The residual stream of a microbatch on this rank. */
export const residualShape = ({ config, layout, batch, seqLen }: TraceSettings): Shape => [
  batch,
  layout.sp ? seqLen / layout.tp : seqLen,
  config.hiddenSize,
];

/** Token ids, targets and the like. */
export const tokensInput = (trace: Trace, [batch, length]: readonly [number, number]): Value =>
  input(trace, [batch, length], tokenTypes, 'int');

export const prefixed = (prefix: string, values: Readonly<Record<string, Value>>): Record<string, Value> =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`${prefix}:${key}`, value]));

/** Parameters as a program's inputs. */
export const paramInputs = (trace: Trace, specs: readonly ParamSpec[], layout: Layout): Params =>
  Object.fromEntries(specs.map((spec) => [spec.key, input(trace, shardShape(spec, layout), spec.types)]));

/** What gradients are added to. */
export const sumInputs = (trace: Trace, specs: readonly ParamSpec[], layout: Layout): Params =>
  Object.fromEntries(specs.map((spec) => [spec.key, input(trace, shardShape(spec, layout), dualTypes(spec.types))]));

export const byId = (prefix: string, values: readonly Value[]): Record<string, Value> =>
  Object.fromEntries(values.map((value) => [`${prefix}:${value.id}`, value]));

/** The embedding or a block; heads are in head.ts. @see traceWhole */
export function tracePart(
  name: Exclude<PartName, 'head'>,
  settings: TraceSettings,
  { policy = 'none', ...which }: { readonly policy?: RecomputePolicy } & Which = {},
): PartPrograms {
  const whole = traceWhole(name, settings, which);
  const { backward, inputGradient, weightGradient } = whole;
  return { ...keeping(whole, policy), backward, inputGradient, weightGradient };
}

/** `layer` stands for all that are built like it (`layerLike` of config.ts). With `sums`, gradients are added to what `sum:<key>` held; without, they are written there. */
interface Which {
  readonly sums?: boolean;
  readonly layer?: number;
}

/** A part forward and backward, whatever is kept between the two. */
export interface WholePart extends Omit<PartPrograms, 'recompute'> {
  readonly params: readonly Value[];
  /** What its backward passes read. */
  readonly saved: readonly Value[];
}

/** Traces a part once for all policies of recomputation. */
export function traceWhole(
  name: Exclude<PartName, 'head'>,
  settings: TraceSettings,
  { sums: adds = true, layer = 0 }: Which = {},
): WholePart {
  const { config, layout, coords, batch, seqLen } = settings;
  const trace = startTrace(layout, coords);
  const specs = paramSpecs(config, layout, { name, layer });
  const params = paramInputs(trace, specs, layout);
  const isBlock = name === 'block';
  const x = isBlock
    ? input(trace, residualShape(settings), residualTypes(layout))
    : tokensInput(trace, [batch, seqLen]);
  const positions = isBlock || config.positions.kind === 'learned' ? tokensInput(trace, [batch, seqLen]) : undefined;
  const documents = isBlock ? tokensInput(trace, [batch, seqLen]) : undefined;
  const foreign = isBlock ? foreignPlaces(trace, settings) : {};
  const { out: y, told } = at(
    trace,
    isBlock ? '' : name,
    (): Mixed =>
      isBlock
        ? block(x, params, {
            config,
            layout,
            layer,
            places: placesOf({ positions: positions!, documents: documents! }, foreign, layout),
            ...(settings.attentionBlock === undefined ? {} : { attentionBlock: settings.attentionBlock }),
            ...(settings.router ? { router: settings.router } : {}),
          })
        : { out: embed({ ids: x, ...(positions ? { positions } : {}) }, params, config, layout) },
  );
  const telling = told && toldSums(trace, told, settings);
  const inputs = {
    [isBlock ? 'x' : 'ids']: x,
    ...(positions ? { positions } : {}),
    ...(documents ? { documents } : {}),
    ...foreign,
    ...(telling ? prefixed('told', telling.before) : {}),
    ...prefixed('param', params),
  };
  const forward = finish(trace, inputs, { y, ...(telling ? prefixed('told', telling.after) : {}) });

  const seed = input(trace, y.shape, dualTypes(y.types));
  const trained = specs.filter(({ byLoad, key }) => !byLoad && (!config.planOnly || isRead(forward, params[key]!)));
  const sums = adds ? sumInputs(trace, trained, layout) : {};
  const wrt = [...(isBlock ? [x] : []), ...trained.map((spec) => params[spec.key]!)];
  const accumulators = [...(isBlock ? [undefined] : []), ...trained.map((spec) => sums[spec.key])];
  const seeds = [
    { value: y, gradient: seed },
    ...(told ? at(trace, 'mlp', () => lossSeeds(told, settings.router!, seed)) : []),
  ];
  const gradients = grad(trace, seeds, wrt, accumulators);
  const dx = isBlock ? gradients[0] : undefined;
  const newSums = Object.fromEntries(trained.map((spec, index) => [spec.key, gradients[index + (dx ? 1 : 0)]!]));
  return cutPhases({
    forward,
    params: Object.values(params),
    nodes: trace.nodes.slice(forward.nodes.length),
    backwardInputs: { dy: seed, ...prefixed('param', params), ...prefixed('sum', sums) },
    dx,
    sums: prefixed('sum', newSums),
  });
}

/** Parameters that stand for what a program lacks are read by none (`planOnly`): such have no gradient. */
const isRead = ({ nodes }: Program, param: Value): boolean => nodes.some(({ inputs }) => inputs.includes(param));

/** Sums of what is told, before this microbatch and with it. */
function toldSums(trace: Trace, told: Told, { config, router }: TraceSettings) {
  const parts = toldParts(config.mixture!, router!);
  const before = Object.fromEntries(parts.map(([name, size]) => [name, input(trace, [size], toldTypes, 'double')]));
  const add = ([name]: (typeof parts)[number]) => [name, addAsDoubles(before[name]!, told[name]!)] as const;
  return { before, after: at(trace, 'mlp', () => Object.fromEntries(parts.map(add))) };
}

/** Inputs that say where the keys of a block of mesh/sequence.ts stand. */
export const keyPlaceNames = (block: number) =>
  ({ positions: `keyPositions:${block}`, documents: `keyDocuments:${block}` }) as const;

/** The blocks of keys that are not of this rank's own tokens. A ring's are others on every rank, the whole sequence is the same on all. */
function foreignPlaces(trace: Trace, { layout, batch, seqLen, coords }: TraceSettings): Record<string, Value> {
  const blocks = keyTokens(layout, seqLen * layout.cp, coords.cp);
  const types: Types = { ...tokenTypes, cp: layout.cpMode === 'ring' ? 'L' : 'R' };
  return Object.fromEntries(
    foreignBlocks(layout).flatMap((block) =>
      Object.values(keyPlaceNames(block)).map((name) => [
        name,
        input(trace, [batch, countTokens(blocks[block]!)], types, 'int'),
      ]),
    ),
  );
}

/** What attention is told of where tokens stand. */
function placesOf(own: TokenPlaces, foreign: Readonly<Record<string, Value>>, layout: Layout): AttentionPlaces {
  const others = foreignBlocks(layout).map((block): TokenPlaces => {
    const names = keyPlaceNames(block);
    return { positions: foreign[names.positions]!, documents: foreign[names.documents]! };
  });
  if (layout.cpMode === 'ring') return { own, queries: own, keys: [own, ...others] };
  return { own, queries: layout.cpMode === 'ulysses' ? others[0]! : own, keys: others };
}

interface Traced {
  readonly forward: Program;
  readonly params: readonly Value[];
  /** All that grad appended. */
  readonly nodes: readonly Node[];
  readonly backwardInputs: Program['inputs'];
  readonly dx: Value | undefined;
  readonly sums: Program['outputs'];
}

/** Cuts one trace of forward and backward into programs by purpose, and decides what each hands on to the next. */
function cutPhases({ forward, params, nodes, backwardInputs, dx, sums }: Traced): WholePart {
  const backwardNodes = fetchedAgain(forward, slice(nodes, [...(dx ? [dx] : []), ...Object.values(sums)]));
  const saved = savedFor(forward, backwardNodes, params);
  const inGradient = new Set(dx ? slice(backwardNodes, [dx]) : []);
  const first = backwardNodes.filter((node) => inGradient.has(node));
  const rest = backwardNodes.filter((node) => !inGradient.has(node));
  const later = readBy(rest);
  const handedOn = first.flatMap((node) => node.outputs).filter(({ id }) => later.has(id));
  const inputs = { ...backwardInputs, ...byId('saved', saved) };
  const output: Program['outputs'] = dx ? { dx } : {};
  return {
    forward,
    params,
    saved,
    backward: { inputs, nodes: backwardNodes, outputs: { ...output, ...sums } },
    inputGradient: { inputs, nodes: first, outputs: { ...output, ...byId('kept', handedOn) } },
    weightGradient: { inputs: { ...inputs, ...byId('kept', handedOn) }, nodes: rest, outputs: sums },
  };
}

/** The forward program that keeps what a policy does, and the one that computes the rest of what is saved anew. */
export function keeping(
  { forward, params, saved }: WholePart,
  policy: RecomputePolicy,
): Pick<PartPrograms, 'forward' | 'recompute'> {
  const { kept, again } = keptFor(policy, forward, saved, new Set(params.map(({ id }) => id)));
  const forwardAndKept = { ...forward, outputs: { ...forward.outputs, ...byId('saved', kept) } };
  if (again.length === 0) return { forward: forwardAndKept };
  const recomputed = saved.filter((value) => !kept.includes(value));
  const inputs = { ...byId('saved', kept), ...prefixedParams(forward) };
  return { forward: forwardAndKept, recompute: { inputs, nodes: again, outputs: byId('saved', recomputed) } };
}

/** What backward nodes read of a forward program and its inputs and do not make anew, without the parameters: those are there anyway. */
export function savedFor(forward: Program, backward: readonly Node[], params: readonly Value[]): Value[] {
  const read = readBy(backward);
  const given = new Set([...params, ...backward.flatMap((node) => node.outputs)].map(({ id }) => id));
  const made = [...Object.values(forward.inputs), ...forward.nodes.flatMap((node) => node.outputs)];
  return made.filter(({ id }) => read.has(id) && !given.has(id));
}

/** The ids of all values that nodes read. */
const readBy = (nodes: readonly Node[]): ReadonlySet<number> =>
  new Set(nodes.flatMap((node) => node.inputs.map(({ id }) => id)));

const prefixedParams = ({ inputs }: Program): Program['inputs'] =>
  Object.fromEntries(Object.entries(inputs).filter(([name]) => name.startsWith('param:')));
