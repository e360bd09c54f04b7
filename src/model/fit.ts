// Whether a layout fits a model and a batch: everything indivisible is refused with the nearest sizes that would divide.
import { fail, option } from '../errors.ts';
import { cpModes, type Layout, largestAxis, printLayout } from '../mesh/layout.ts';
import { axes, replicasOf } from '../mesh/mesh.ts';
import { printRecompute } from '../mesh/recompute.ts';
import { sequencePieces } from '../mesh/sequence.ts';
import type { ModelConfig } from './config.ts';

export interface BatchShape {
  readonly seqLen: number;
  /** Sequences of a step over all data-parallel ranks. */
  readonly globalBatch: number;
  /** Sequences of a microbatch on one of them. */
  readonly microBatch: number;
}

/** Sequences of a step: more than any run has. */
export const largestBatch = 2 ** 24;

/** Throws LAYOUT_INDIVISIBLE, LAYOUT_STAGES or OPTION_INVALID; returns the microbatches of a step. */
export function checkFit(config: ModelConfig, layout: Layout, batch: BatchShape): number {
  checkSize(option('seqLen'), batch.seqLen, Number.MAX_SAFE_INTEGER);
  for (const key of ['globalBatch', 'microBatch'] as const) checkSize(option(key), batch[key], largestBatch);
  for (const axis of axes) checkSize(`${option('layout')} ${axis}`, layout[axis], largestAxis);
  checkSequenceShares(config, layout, batch.seqLen);
  checkTensorParallel(config, layout, batch.seqLen / layout.cp);
  checkHeadShares(config, layout, batch.seqLen);
  checkExperts(config, layout);
  checkStages(config, layout);
  checkRecompute(config, layout);
  checkLength(config, batch.seqLen);
  return microbatchesOf(layout, batch);
}

function checkSize(name: string, size: number, most: number): void {
  if (!Number.isInteger(size) || size < 1)
    fail('OPTION_INVALID', {
      option: name,
      problem: `${size} is not a whole number of at least 1`,
      fix: 'use 1 or more',
    });
  if (size > most)
    fail('OPTION_INVALID', { option: name, problem: `${size} is more than ${most}`, fix: `use ${most} or less` });
}

/** The lengths around a refused one that divide into so many equal parts, as they are typed. */
const lengthsThatDivide = ({ positions }: ModelConfig, seqLen: number, parts: number): string[] =>
  [0, parts]
    .map((more) => seqLen - (seqLen % parts) + more)
    .filter((n) => n > 0 && n <= positions.max)
    .map((length) => `${option('seqLen')} ${length}`);

/** Over cp. */
function checkSequenceShares(config: ModelConfig, layout: Layout, seqLen: number): void {
  const { cp, cpMode } = layout;
  const pieces = sequencePieces(layout);
  if (seqLen % pieces === 0) return;
  const what =
    pieces === cp ? 'the sequence length' : `the sequence length into two pieces a rank, as ${cpMode} needs,`;
  const lengths = headProblem(config, layout) ? [] : lengthsThatDivide(config, seqLen, partsOfSequence(layout));
  const fix = [...lengths, ...otherSharings(config, layout, seqLen)].join(' or ');
  fail('LAYOUT_INDIVISIBLE', { axis: 'cp', size: cp, what, total: seqLen, fix });
}

/** Other ways over cp that divide the sequence and the heads, as they are typed: another mode, and the nearest numbers of ranks. */
function otherSharings(config: ModelConfig, layout: Layout, seqLen: number): string[] {
  const divide = (other: Partial<Layout>): boolean => {
    const tried = { ...layout, ...other };
    return seqLen % partsOfSequence(tried) === 0 && !headProblem(config, tried);
  };
  const modes = cpModes.filter((cpMode) => cpMode !== layout.cpMode && divide({ cpMode }));
  const sizes = divisors(seqLen).filter((cp) => divide({ cp }));
  return [...modes.slice(0, 1).map((mode) => `cpMode=${mode}`), nearest('cp=', layout.cp, sizes)].filter(
    (each) => each !== '',
  );
}

/** A sequence must divide into so many equal parts. */
export function partsOfSequence(layout: Layout): number {
  const pieces = sequencePieces(layout);
  return layout.sp ? leastMultiple(pieces, layout.cp * layout.tp) : pieces;
}

/** Over cp, of those that tp leaves. */
function checkHeadShares(config: ModelConfig, layout: Layout, seqLen: number): void {
  const problem = headProblem(config, layout);
  if (!problem) return;
  const fix = otherSharings(config, layout, seqLen).join(' or ');
  fail('LAYOUT_INDIVISIBLE', { axis: 'cp', size: layout.cp, ...problem, fix });
}

/** What of the heads ulysses cannot share out. */
function headProblem({ heads, kvHeads }: ModelConfig, { tp, cp, cpMode }: Layout) {
  if (cp === 1 || cpMode !== 'ulysses') return undefined;
  const [own, ownKv] = [heads / tp, Math.max(1, kvHeads / tp)];
  const ofEach = tp === 1 ? '' : ` of each of tp=${tp} ranks`;
  if (own % cp !== 0) return { what: `the attention heads${ofEach}, which ulysses shares out`, total: own };
  if (!fitsKvHeads(cp, ownKv))
    return { what: `the key-value heads${ofEach}, nor is it a multiple of them`, total: ownKv };
  return undefined;
}

function leastMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

/** `seqLen`: tokens of a sequence on one rank of cp. */
function checkTensorParallel(config: ModelConfig, layout: Layout, seqLen: number): void {
  const { heads, kvHeads } = config;
  const widths = widthsOf(config);
  const { tp, sp, cp } = layout;
  const others = [...lengthsThatDivide(config, seqLen * cp, partsOfSequence(layout)), 'the layout without sp'].join(
    ' or ',
  );
  const allowed = divisors(heads).filter(
    (n) => widths.every(([, width]) => width % n === 0) && fitsKvHeads(n, kvHeads) && (!sp || seqLen % n === 0),
  );
  const refuse = (what: string, total: number, fix = nearest('tp=', tp, allowed)) =>
    fail('LAYOUT_INDIVISIBLE', { axis: 'tp', size: tp, what, total, fix });
  if (heads % tp !== 0) refuse('the attention heads', heads);
  if (!fitsKvHeads(tp, kvHeads)) refuse('the key-value heads, nor is it a multiple of them', kvHeads);
  for (const [what, width] of widths) if (width % tp !== 0) refuse(what, width);
  if (sp && seqLen % tp !== 0)
    refuse(`the sequence length${cp === 1 ? '' : ` of each of cp=${cp} ranks`}, which sp cuts`, seqLen, others);
}

/** What tp cuts between an MLP's matrices, by name. */
function widthsOf(config: ModelConfig): (readonly [string, number])[] {
  const { mixture, intermediateSize, layers } = config;
  const shared = mixture?.sharedIntermediateSize;
  const hasMlp = mixture === undefined || mixture.denseLayers.length > 0;
  const hasExperts = mixture !== undefined && mixture.denseLayers.length < layers;
  return [
    ...(hasMlp ? [['the MLP width', intermediateSize] as const] : []),
    ...(hasExperts ? [["the experts' width", mixture.intermediateSize] as const] : []),
    ...(hasExperts && shared !== undefined ? [["the shared expert's width", shared] as const] : []),
  ];
}

const fitsKvHeads = (tp: number, kvHeads: number) => kvHeads % tp === 0 || tp % kvHeads === 0;

function checkExperts({ mixture }: ModelConfig, { ep }: Layout): void {
  const experts = mixture?.experts ?? 0;
  if (experts === 0 && ep > 1)
    fail('OPTION_INVALID', {
      option: `${option('layout')} ep=${ep}`,
      problem: 'the model has no experts to share out',
      fix: 'use dp in place of ep',
    });
  if (experts % ep !== 0)
    fail('LAYOUT_INDIVISIBLE', {
      axis: 'ep',
      size: ep,
      what: 'the experts of a layer',
      total: experts,
      fix: nearest('ep=', ep, divisors(experts)),
    });
}

function checkStages({ layers }: ModelConfig, { pp, virtual, stages }: Layout): void {
  const asked = virtual > 1 ? `${pp},virtual=${virtual}` : `${pp}`;
  const refuse = (fix: string): never => fail('LAYOUT_STAGES', { pp: asked, layers, fix });
  if (pp > layers) refuse(`use pp=${layers} or fewer`);
  if (pp * virtual > layers) {
    const most = Math.floor(layers / pp);
    refuse(
      `each of ${pp * virtual} virtual stages needs one; ${most > 1 ? `use virtual=${most} or fewer` : 'leave virtual out'}`,
    );
  }
  const sum = stages?.reduce((total, size) => total + size, 0) ?? layers;
  if (sum !== layers) refuse(`stages=${stages!.join('+')} adds up to ${sum}; make it ${layers}`);
}

function checkRecompute({ layers }: ModelConfig, { recompute }: Layout): void {
  const beyond = recompute.layers?.find(([, last]) => last >= layers);
  if (!beyond) return;
  const there = recompute.layers!.flatMap(([first, last]): [number, number][] =>
    first < layers ? [[first, Math.min(last, layers - 1)]] : [],
  );
  const { policy } = recompute;
  fail('OPTION_INVALID', {
    option: `${option('layout')} recompute=${printRecompute(recompute)}`,
    problem: `there is no layer ${beyond[1]}: the model's are 0 to ${layers - 1}`,
    fix: `use recompute=${printRecompute(there.length > 0 ? { policy, layers: there } : { policy })}`,
  });
}

function checkLength({ positions }: ModelConfig, seqLen: number): void {
  if (seqLen > positions.max)
    fail('OPTION_INVALID', {
      option: option('seqLen'),
      problem: `${seqLen} is longer than the model's ${positions.max} positions`,
      fix: `use ${option('seqLen')} ${positions.max} or less`,
    });
}

function microbatchesOf(layout: Layout, { globalBatch, microBatch }: BatchShape): number {
  const { ep, dp } = layout;
  const refuse = (axis: 'ep' | 'dp', size: number, of: number): never =>
    fail('LAYOUT_INDIVISIBLE', {
      axis,
      size,
      what: of === globalBatch ? 'the global batch' : `the ${of} sequences of each data-parallel rank`,
      total: of,
      fix: nearest(`${axis}=`, size, divisors(of)),
    });
  if (globalBatch % dp !== 0) refuse('dp', dp, globalBatch);
  if ((globalBatch / dp) % ep !== 0) refuse('ep', ep, globalBatch / dp);
  const share = globalBatch / replicasOf(layout);
  if (share % microBatch !== 0)
    fail('OPTION_INVALID', {
      option: option('microBatch'),
      problem: `${microBatch} does not divide the ${share} sequences of each ${ep === 1 ? 'data-parallel rank' : 'rank of dp and ep'}`,
      fix: `use ${nearest(`${option('microBatch')} `, microBatch, divisors(share))}`,
    });
  checkDualPipe(layout, share / microBatch);
  return share / microBatch;
}

/** Two directions, each with a microbatch for every stage. */
function checkDualPipe(layout: Layout, microbatches: number): void {
  const least = 2 * layout.pp;
  if (layout.schedule !== 'dualpipe' || (microbatches >= least && microbatches % 2 === 0)) return;
  fail('LAYOUT_SCHEDULE', {
    text: printLayout(layout),
    problem: `dualpipe with pp=${layout.pp} needs an even number of microbatches, of at least ${least}, and the step has ${microbatches}`,
    fix: `change ${option('globalBatch')} or ${option('microBatch')}, or use another schedule`,
  });
}

/** In ascending order. */
export function divisors(n: number): number[] {
  const small: number[] = [];
  for (let d = 1; d * d <= n; d++) if (n % d === 0) small.push(d);
  const large = small.filter((d) => d * d !== n).map((d) => n / d);
  return [...small, ...large.reverse()];
}

/** The allowed sizes on both sides of a refused one, as they are typed. */
function nearest(prefix: string, size: number, allowed: readonly number[]): string {
  const below = allowed.filter((n) => n < size).at(-1);
  const above = allowed.find((n) => n > size);
  return [below, above].flatMap((n) => (n === undefined ? [] : [`${prefix}${n}`])).join(' or ');
}
