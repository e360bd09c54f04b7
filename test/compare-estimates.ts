// Holds the estimate of a step, arithmetic on summaries, against a walk of every rank's program.
import { expect } from 'vitest';
import { coordsOf, worldSize } from '../src/mesh/mesh.ts';
import { type BytesSent, memoryOf, predictRank, stateBytes } from '../src/plan/predict-step.ts';
import { rankClasses } from '../src/plan/stage-ranks.ts';
import { estimate } from '../src/plan/summary/estimate.ts';
import type { Widths } from '../src/plan/summary/summary.ts';
import { elementBytes } from '../src/program/program.ts';
import { microbatchesOn, type StepSettings } from '../src/step/settings.ts';
import { buildTrainingStep } from '../src/step/training-step.ts';

/** As the runtime has them. */
export function runtimeWidths({ precision }: Pick<StepSettings, 'precision'>): Widths {
  const bytes = elementBytes('float', precision);
  return { activations: bytes, parameters: bytes, gradients: bytes, moments: bytes, master: 0 };
}

/** What is sent, without the calls that send nothing. */
const sent = (bytes: BytesSent) =>
  Object.fromEntries(
    Object.entries(bytes).flatMap(([axis, ops]) =>
      Object.entries(ops ?? {}).flatMap(([op, count]) => (count === 0 ? [] : [[`${axis} ${op}`, count]])),
    ),
  );

/** FLOPs are whole numbers but where experts have a fraction of a slot each: sums of those in another order differ by rounding. */
const rounded = (flops: number): number => Number(flops.toPrecision(14));

/** Every rank is compared with what stands for it: but for its FLOPs over cp, where ranks hold other tokens, which see more or fewer others. */
export function expectEstimated(settings: StepSettings): void {
  const { layout } = settings;
  const estimates = estimate(settings, runtimeWidths(settings));
  expect(estimates.map(({ rank, ranks }) => ({ rank, ranks }))).toEqual(rankClasses(settings));
  for (let rank = 0; rank < worldSize(layout); rank++) {
    const program = buildTrainingStep(settings, rank);
    const coords = coordsOf(layout, rank);
    const like = estimates.find(({ rank: first }) => {
      const { dp, pp } = coordsOf(layout, first);
      return pp === coords.pp && microbatchesOn(settings, dp) === microbatchesOn(settings, coords.dp);
    })!;
    const { weights, gradients, optimizer } = like.state;
    const prediction = predictRank(program);
    const isFirst = coords.cp === 0;
    expect({
      rank,
      sent: sent(like.bytesSent),
      state: weights + gradients + optimizer,
      own: like.ownBytes,
      live: like.livePeakBytes,
      ...(isFirst ? { flops: rounded(like.flops) } : {}),
    }).toEqual({
      rank,
      sent: sent(prediction.bytesSent),
      state: stateBytes(program),
      own: memoryOf(program).own,
      live: program.livePeakBytes,
      ...(isFirst ? { flops: rounded(prediction.flops) } : {}),
    });
  }
}
