// A rank that runs windows forward and hands back the logits, where it has them.
import { openCheckpoint } from '../src/checkpoint/hf-directory.ts';
import { readWeights } from '../src/checkpoint/weights.ts';
import { createExecutor } from '../src/runtime/executor.ts';
import { allocateMemory } from '../src/runtime/memory.ts';
import type { Transport } from '../src/runtime/transport/transport.ts';
import { fillPlaces } from '../src/step/fill-tokens.ts';
import { buildLogitsStep } from '../src/step/forward-step.ts';
import type { StepSettings } from '../src/step/settings.ts';

export interface LogitsJob {
  readonly settings: StepSettings;
  readonly weights: string;
  /** [microbatches · microBatch · seqLen]. */
  readonly ids: readonly number[];
}

/** [sequences, seqLen, padded vocabulary] on the last stage's ranks. */
export async function rank(transport: Transport, job: unknown): Promise<Float64Array | undefined> {
  const { settings, weights, ids } = job as LogitsJob;
  const step = buildLogitsStep(settings, transport.rank);
  const memory = allocateMemory([step], (bytes) => transport.allocate(bytes));
  const executor = createExecutor(step, { transport, memory });
  const { of } = executor.memory;
  readWeights(openCheckpoint(weights), step.state, memory.state, settings.layout, transport);
  const window = settings.microBatch * settings.seqLen;
  for (const [m, buffers] of step.tokens.entries()) {
    fillPlaces(of, buffers, settings);
    if (buffers.ids !== undefined) (of(buffers.ids) as Int32Array).set(ids.slice(m * window, (m + 1) * window));
  }
  executor.run();
  const logits = step.logits.length === 0 ? undefined : step.logits.map((buffer) => Float64Array.from(of(buffer)));
  executor.dispose();
  return logits && Float64Array.from(logits.flatMap((each) => [...each]));
}
