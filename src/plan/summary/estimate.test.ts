// Estimates from summaries are those of the programs: `npm run test:estimates` compares many more.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectEstimated } from '../../../test/compare-estimates.ts';
import { anyCase, type Case, settingsOf } from '../../../test/random-cases.ts';
import { configJson, type SmallModel } from '../../../test/small-models.ts';
import { oneRank, parseLayout, scheduleNames } from '../../mesh/layout.ts';
import { parseModelConfig } from '../../model/families.ts';
import { plainRouter } from '../../model/router.ts';
import { scheduleOf } from '../../schedule/schedules.ts';
import { bucketsOf } from '../../state/buckets.ts';
import { actionsOf } from './actions.ts';
import { estimate, livePeak } from './estimate.ts';
import { summariseStages } from './stage-summary.ts';

test('what every rank sends, computes and holds is what a walk of its program finds', () => {
  fc.assert(
    fc.property(anyCase, fc.constantFrom('f32' as const, 'f64' as const), (each, precision) =>
      expectEstimated(settingsOf(each, precision)),
    ),
    { numRuns: 60 },
  );
}, 120_000);

const small = { heads: 1, kvHeads: 1, headDim: 6, hidden: 6, mlp: 1, vocab: 3, layers: 2, window: 2 } as const;
const oneExpert = { experts: 1, perToken: 1, width: 1, sharedWidth: 1, normalised: false, dense: [] } as const;
const halfOfIt = { ...plainRouter, capacity: 0.5 };

test.each<
  [
    string,
    Partial<Pick<Case, 'router' | 'attentionBlock' | 'seqLen'>> & {
      readonly model: Partial<SmallModel>;
      readonly layout: string;
    },
  ]
>([
  [
    'layers with a window and layers without, on stages of their own',
    { model: { family: 'gemma3_text' }, layout: 'dp=2,pp=2', attentionBlock: 1 },
  ],
  [
    'slots that are dropped, where ZeRO 3 gathers experts',
    { model: { family: 'mixtral', mixture: oneExpert }, layout: 'dp=2,pp=2,zero=3', router: halfOfIt },
  ],
  [
    'a ring where the tokens of the middle rank see nothing of the first rank',
    { model: { family: 'mistral' }, layout: 'cp=3,recompute=selective', seqLen: 12, attentionBlock: 2 },
  ],
])('%s', (_, { model, layout, ...rest }) => {
  const whole = { ...small, tied: false, biases: false, family: 'llama', ...model } as const;
  const shape = { seqLen: 3, microBatch: 1, microbatches: 1 };
  expectEstimated(settingsOf({ model: whole, layout: parseLayout(layout), ...shape, ...rest }, 'f32'));
});

const config = parseModelConfig(
  {
    model_type: 'llama',
    vocab_size: 64,
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 8,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    max_position_embeddings: 64,
    tie_word_embeddings: false,
  },
  'llama',
);
const settingsFor = (text: string, microbatches: number) => ({
  config,
  layout: parseLayout(text),
  seqLen: 16,
  microBatch: 1,
  microbatches,
  precision: 'f32' as const,
});
const widths = { activations: 2, parameters: 2, gradients: 4, moments: 4, master: 4 };

test.each([
  ['dp=2,zero=3', 'dp=4,zero=3'],
  ['dp=8,zero=2,schedule=1f1b', 'dp=2,zero=2'],
  ['cp=2,dp=4,zero=3,recompute=full', 'cp=2,dp=2,zero=3,recompute=full'],
  ['tp=2,pp=2,dp=2,zero=3,schedule=zb-h1', 'tp=2,pp=2,dp=4,zero=3,schedule=zb-h1'],
])('%s and then %s: what was recorded for one number of replicas holds for another', (first, second) => {
  const [sizes, others] = [first, second].map((text) =>
    bucketsOf(config, parseLayout(text), 0).flatMap(({ name, size }) => (name.startsWith('block') ? [size] : [])),
  );
  expect(sizes).toEqual(others);
  for (const text of [first, second]) expectEstimated(settingsFor(text, 2));
});

test('with room for even routing as much is computed and sent, and less is held', () => {
  const mixture = parseModelConfig(
    configJson({
      family: 'mixtral',
      heads: 4,
      kvHeads: 2,
      headDim: 4,
      hidden: 16,
      mlp: 8,
      vocab: 32,
      layers: 4,
      tied: false,
      biases: false,
      window: 64,
      mixture: { experts: 8, perToken: 2, width: 4, sharedWidth: 4, normalised: true, dense: [] },
    }),
    'mixtral',
  );
  const settings = { ...settingsFor('ep=4,dp=2,pp=2', 4), config: mixture };
  const most = estimate(settings, widths);
  const even = estimate({ ...settings, expertRoom: 'even' }, widths);
  expect(even.map(({ flops, bytesSent }) => ({ flops, bytesSent }))).toEqual(
    most.map(({ flops, bytesSent }) => ({ flops, bytesSent })),
  );
  for (const [index, { livePeakBytes }] of even.entries())
    expect(livePeakBytes).toBeLessThan(most[index]!.livePeakBytes);
});

describe('a long schedule holds as much as the part of it that is looked at', () => {
  const cases = scheduleNames
    .filter((name) => name !== 'file')
    .flatMap((schedule) =>
      [2, 3, 4].flatMap((pp) =>
        (schedule === 'zb-h1' ? [1] : [1, 2]).flatMap((virtual) =>
          [1, 2, 3].map((groups) => ({ schedule, pp, virtual, groups })),
        ),
      ),
    );
  test.each(cases)('$schedule, $pp stages of $virtual chunks, $groups times as many and more', ({ groups, ...how }) => {
    for (const microbatches of [groups * how.pp, groups * how.pp + 1, 7 * how.pp + 2, 12 * how.pp]) {
      const settings = settingsFor('tp=1', microbatches);
      const layout = { ...oneRank, ...how };
      const stages = summariseStages({ ...settings, layout }, widths);
      const schedule = scheduleOf(layout, microbatches);
      for (const [pp, stage] of stages.entries()) {
        let [peak, alive] = [stage.once.live.peak, 0];
        const message = Math.ceil(stage.sendBytes / 64) * 64;
        let sends = 0;
        for (const action of schedule.stages[pp]!) {
          if (action.kind === 'send' || action.kind === 'recv') {
            alive += action.kind === 'send' ? -message : message;
            sends += action.kind === 'send' ? 1 : 0;
            peak = Math.max(peak, alive);
            continue;
          }
          const { live } = stage.chunks[action.chunk]![action.kind];
          peak = Math.max(peak, alive + live.peak);
          alive += live.net;
        }
        expect(alive).toBe(0);
        const actions = actionsOf(layout, microbatches)[pp]!;
        expect(livePeak(stage, actions)).toBe(peak);
        expect(actions.counts.find(({ act }) => act.kind === 'send')?.count ?? 0).toBe(sends);
      }
    }
  });
});
