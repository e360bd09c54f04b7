// A rank that runs one window forward and hands back the logits, where it has them.
import { openCheckpoint } from '../src/checkpoint/hf-directory.ts';
import { readShard } from '../src/checkpoint/shards.ts';
import { coordsOf } from '../src/mesh/mesh.ts';
import { createExecutor } from '../src/runtime/executor.ts';
import type { Floats } from '../src/runtime/kernels/local-kernels.ts';
import type { Transport } from '../src/runtime/transport/transport.ts';
import { buildLogitsStep, type WindowSettings } from '../src/step/forward-step.ts';

export interface LogitsJob {
  readonly settings: WindowSettings;
  readonly weights: string;
  /** [batch · seqLen]. */
  readonly ids: readonly number[];
}

/** [batch, seqLen, padded vocabulary] on the last stage's ranks. */
export async function rank(transport: Transport, job: unknown): Promise<Float64Array | undefined> {
  const { settings, weights, ids } = job as LogitsJob;
  const coords = coordsOf(settings.layout, transport.rank);
  const step = buildLogitsStep(settings, transport.rank);
  const { memory, run, dispose } = await createExecutor(step, { transport });
  const checkpoint = openCheckpoint(weights);
  for (const { spec, param } of step.params)
    readShard(checkpoint, spec, memory.of(param) as Floats, settings.layout, coords);
  checkpoint.close();
  if (step.ids !== undefined) (memory.of(step.ids) as Int32Array).set(ids);
  await run();
  const logits = step.logits === undefined ? undefined : Float64Array.from(memory.of(step.logits));
  await dispose();
  return logits;
}
