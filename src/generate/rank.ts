// Generating as one rank does it: all ranks know the tokens so far; the last stage picks the next and tells the others.
import { openCheckpoint } from '../checkpoint/hf-directory.ts';
import { readShard } from '../checkpoint/shards.ts';
import { coordsOf, groupOf } from '../mesh/mesh.ts';
import { paddedVocab } from '../model/params.ts';
import { createExecutor, type Executor } from '../runtime/executor.ts';
import { philox } from '../runtime/kernels/local.ts';
import type { Floats } from '../runtime/kernels/local-kernels.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import { buildLogitsStep } from '../step/forward-step.ts';
import type { Generated, GenerateJob } from './job.ts';

/** The rank module of generating: see RankFunction in runtime/world-messages.ts. Reports every token. */
export async function rank(transport: Transport, job: unknown, report: (token: number) => void): Promise<Generated> {
  return generateRank(transport, job as GenerateJob, report);
}

async function generateRank(
  transport: Transport,
  job: GenerateJob,
  report: (token: number) => void,
): Promise<Generated> {
  const { settings, prompt } = job;
  const { config, layout, seqLen } = settings;
  const coords = coordsOf(layout, transport.rank);
  const stages = groupOf(layout, transport.rank, 'pp');
  const step = buildLogitsStep(settings, transport.rank);
  const executor = createExecutor(step, { transport });
  const checkpoint = openCheckpoint(job.weights);
  for (const { spec, param } of step.params)
    readShard(checkpoint, spec, executor.memory.of(param) as Floats, layout, coords, () =>
      transport.heartbeat(`loading ${spec.name}`),
    );
  checkpoint.close();

  const tokens = [...prompt];
  const start = performance.now();
  const vocabulary = paddedVocab(config, layout);
  while (tokens.length < prompt.length + job.maxTokens) {
    const window = tokens.slice(-seqLen);
    if (step.ids !== undefined) {
      const ids = executor.memory.of(step.ids);
      ids.fill(0);
      (ids as Int32Array).set(window);
    }
    executor.run();
    const next = new Int32Array(1);
    if (step.logits !== undefined) {
      const row = rowOf(executor, step.logits, window.length - 1, vocabulary).subarray(0, config.vocabSize);
      next[0] = pick(row, job.temperature, uniform(job.seed, tokens.length));
    }
    if (layout.pp > 1) transport.broadcast(stages, next, layout.pp - 1, 'next token');
    if (next[0] === job.stopToken) break;
    tokens.push(next[0]!);
    report(next[0]!);
  }
  executor.dispose();
  return { tokens: tokens.slice(prompt.length), seconds: (performance.now() - start) / 1000 };
}

const rowOf = (executor: Executor, logits: number, position: number, vocabulary: number): Floats =>
  (executor.memory.of(logits) as Floats).subarray(position * vocabulary, (position + 1) * vocabulary);

/** A number in [0, 1) that depends on the seed and the position alone. */
const uniform = (seed: number, position: number): number => philox([position, 0, 0, 0], [seed, 0])[0]! / 2 ** 32;

/** A token drawn from softmax(logits / temperature) where `at` in [0, 1) says which; temperature 0: the likeliest. */
function pick(logits: Floats, temperature: number, at: number): number {
  let best = 0;
  for (let token = 1; token < logits.length; token++) if (logits[token]! > logits[best]!) best = token;
  if (temperature === 0) return best;
  const weights = Array.from(logits, (logit) => Math.exp((logit - logits[best]!) / temperature));
  let left = at * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [token, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return token;
  }
  return best;
}
