// Generating as one rank does it: all ranks know the tokens so far; one picks the next and tells the others.
import { openCheckpoint } from '../checkpoint/hf-directory.ts';
import { readWeights } from '../checkpoint/weights.ts';
import { coordsOf, groupOf, rankAt, worldGroup } from '../mesh/mesh.ts';
import { eachRange, holderOf, ownTokens } from '../mesh/sequence.ts';
import { paddedVocab } from '../model/params.ts';
import { createExecutor, type Executor } from '../runtime/executor.ts';
import type { Floats } from '../runtime/kernels/local-kernels.ts';
import { allocateMemory } from '../runtime/memory.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import { fillPlaces } from '../step/fill-tokens.ts';
import { buildLogitsStep, type LogitsStep } from '../step/forward-step.ts';
import type { TokenBuffers } from '../step/step.ts';
import { endings, type Generated, type GenerateJob, type GenerateReport, type WritingJob } from './job.ts';
import { createWriter } from './writer.ts';

/** The rank module of generating: see RankFunction in runtime/world-messages.ts. The rank that picks reports, and returns what it wrote. */
export async function rank(
  transport: Transport,
  job: unknown,
  report: (report: GenerateReport) => void,
): Promise<Generated | undefined> {
  const window = openWindow(transport, job as GenerateJob);
  try {
    return continuePrompt(transport, job as GenerateJob, window, report);
  } finally {
    window.executor.dispose();
  }
}

/** A model's forward pass over a window, compiled and with its weights. */
export interface Window {
  readonly step: LogitsStep;
  readonly executor: Executor;
}

export function openWindow(
  transport: Transport,
  { settings, weights, weightsIdentity }: Pick<GenerateJob, 'settings' | 'weights' | 'weightsIdentity'>,
): Window {
  const step = buildLogitsStep(settings, transport.rank);
  const memory = allocateMemory([step], (bytes) => transport.allocate(bytes));
  const executor = createExecutor(step, { transport, memory });
  try {
    readWeights(openCheckpoint(weights, weightsIdentity), step.state, memory.state, settings.layout, transport);
  } catch (error) {
    executor.dispose();
    throw error;
  }
  return { step, executor };
}

/** Writes what follows the prompt; all ranks call it together. */
export function continuePrompt(
  transport: Transport,
  job: WritingJob,
  { step, executor }: Window,
  report: (report: GenerateReport) => void,
): Generated | undefined {
  const { layout, seqLen } = job.settings;
  const world = worldGroup(layout);
  // Every tp rank of the last stage has the logits; the first of them picks.
  const picks = rankAt(layout, { ...coordsOf(layout, 0), pp: layout.pp - 1 });
  const writer = transport.rank === picks ? createWriter(job, report) : undefined;
  const [buffers] = step.tokens as [TokenBuffers];
  fillPlaces(executor.memory.of, buffers, job.settings);
  const ids = buffers.ids === undefined ? undefined : (executor.memory.of(buffers.ids) as Int32Array);
  const own = ownTokens(layout, seqLen, coordsOf(layout, transport.rank).cp);
  const lastLogits = logitsReader(transport, job, { step, executor });

  const tokens = [...job.prompt];
  // The token, and 1 + which of the endings came with it.
  const next = new Int32Array(2);
  let stopped: Generated['stopped'] = 'length';
  const start = performance.now();
  for (let written = 0; written < job.maxTokens && stopped === 'length'; written++) {
    const window = tokens.slice(-seqLen);
    if (ids) {
      ids.fill(0);
      eachRange(own, ([start, end], at) => ids.set(window.slice(start, end), at));
    }
    executor.run();
    const logits = lastLogits(window.length - 1);
    if (writer) {
      const { token, ending } = writer.next(logits!, tokens.length);
      next.set([token, ending === undefined ? 0 : 1 + endings.indexOf(ending)]);
    }
    if (world.ranks.length > 1) transport.broadcast(world, next, picks, 'next token');
    if (next[1]! > 0) stopped = endings[next[1]! - 1]!;
    if (stopped !== 'stopToken') tokens.push(next[0]!);
  }
  const seconds = (performance.now() - start) / 1000;
  if (!writer) return undefined;
  const { text, ending } = writer.end();
  return { text, tokens: tokens.slice(job.prompt.length), stopped: ending ?? stopped, seconds };
}

/** The logits of a token of the window [vocabulary], on every rank of the last stage: the cp rank that holds it tells the others. */
function logitsReader(
  transport: Transport,
  { settings: { config, layout, seqLen } }: WritingJob,
  { step, executor }: Window,
): (token: number) => Floats | undefined {
  const [buffer] = step.logits;
  if (buffer === undefined) return () => undefined;
  const all = executor.memory.of(buffer) as Floats;
  const vocabulary = paddedVocab(config, layout);
  const { cp } = coordsOf(layout, transport.rank);
  const told = all.slice(0, config.vocabSize);
  return (token) => {
    const { rank, at } = holderOf(layout, seqLen, token);
    if (rank === cp) told.set(all.subarray(at * vocabulary, at * vocabulary + config.vocabSize));
    if (layout.cp > 1) transport.broadcast(groupOf(layout, transport.rank, 'cp'), told, rank, 'logits');
    return told;
  };
}
