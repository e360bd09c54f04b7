// How fast a layout is summed up: `npx tsx bench/summaries.ts`. Llama 3.1 405B: every kind of part of many layouts traced for the first
// time, the same layouts again, and whole estimates with their schedules. Times are of the processor, in user code.
import { cpModes, type Layout, oneRank } from '../src/mesh/layout.ts';
import { recomputePolicies } from '../src/mesh/recompute.ts';
import type { ModelConfig } from '../src/model/config.ts';
import { parseModelConfig } from '../src/model/families.ts';
import { actionsOf } from '../src/plan/summary/actions.ts';
import { estimate, livePeak } from '../src/plan/summary/estimate.ts';
import { summariseStage, summariseStages } from '../src/plan/summary/stage-summary.ts';
import type { WorkKind } from '../src/plan/summary/summary.ts';
import type { StepSettings } from '../src/step/settings.ts';

const widths = { activations: 2, parameters: 2, gradients: 4, moments: 4, master: 4 };
const seqLen = 8192;

const llama405B = (): ModelConfig =>
  parseModelConfig(
    {
      model_type: 'llama',
      vocab_size: 128256,
      hidden_size: 16384,
      intermediate_size: 53248,
      num_hidden_layers: 126,
      num_attention_heads: 128,
      num_key_value_heads: 8,
      hidden_act: 'silu',
      rms_norm_eps: 1e-5,
      rope_theta: 500000,
      max_position_embeddings: 131072,
      tie_word_embeddings: false,
    },
    'llama-3.1-405b',
  );

const settingsFor = (
  config: ModelConfig,
  layout: Partial<Layout>,
  microBatch = 1,
  microbatches = 64,
): StepSettings => ({
  config,
  layout: { ...oneRank, ...layout },
  seqLen,
  microBatch,
  microbatches,
  precision: 'f32',
  lossBlock: seqLen * microBatch,
});

/** All settings that programs of parts depend on. */
function kindsOf(config: ModelConfig): StepSettings[] {
  const kinds: StepSettings[] = [];
  for (const tp of [1, 2, 4, 8])
    for (const sp of tp > 1 ? [false, true] : [false])
      for (const cp of [1, 2, 4, 8, 16])
        for (const cpMode of cp > 1 ? cpModes : [oneRank.cpMode])
          for (const microBatch of [1, 2])
            for (const policy of recomputePolicies)
              if (cpMode !== 'ulysses' || 128 % (tp * cp) === 0)
                kinds.push(
                  settingsFor(config, { tp, sp, cp, cpMode, recompute: { policy }, pp: 16, dp: 8 }, microBatch),
                );
  return kinds;
}

function timed<T>(what: string, work: () => T, count = 1): T {
  const from = process.cpuUsage();
  const made = work();
  const milliseconds = process.cpuUsage(from).user / 1000;
  console.log(
    `${what}: ${milliseconds.toFixed(1)} ms${count > 1 ? `, ${((1000 * milliseconds) / count).toFixed(1)} µs each` : ''}`,
  );
  return made;
}

const works: readonly WorkKind[] = ['forward', 'backward'];
const touch = (settings: StepSettings, pp: number): number => {
  const { chunks } = summariseStage(settings, pp, widths);
  return chunks.reduce((sum, chunk) => sum + works.reduce((all, kind) => all + chunk[kind].flops, 0), 0);
};

const first = { tp: 8, cp: 16, pp: 16, dp: 8, sp: true, zero: 1 } as const;
timed('one stage of tp=8,sp,cp=16,pp=16,dp=8, nothing compiled', () => touch(settingsFor(llama405B(), first), 5));
timed('the same of another model, cold', () => touch(settingsFor(llama405B(), first), 5));
const config = llama405B();
const kinds = kindsOf(config);
timed(`stage 5 of all ${kinds.length} kinds, cold`, () => kinds.forEach((each) => void touch(each, 5)), kinds.length);
for (let round = 0; round < 3; round++)
  timed(`the same, known`, () => kinds.forEach((each) => void touch(each, 5)), kinds.length);

/** What a search asks of every layout: what each stage holds, at most, of state and activations. */
const heldAtMost = (settings: StepSettings): number => {
  const actions = actionsOf(settings.layout, settings.microbatches);
  let most = 0;
  for (const [pp, stage] of summariseStages(settings, widths).entries()) {
    const { weights, gradients, optimizer } = stage.state;
    most = Math.max(most, weights + gradients + optimizer + livePeak(stage, actions[pp]!));
  }
  return most;
};
const layouts = kinds.flatMap((each) =>
  [1, 2, 4, 8, 16].flatMap((pp) =>
    ([1, 3] as const).map((zero) => {
      const { tp, cp } = each.layout;
      const dp = Math.max(1, 16384 / tp / cp / pp);
      return { ...each, microbatches: Math.max(1, 4096 / dp), layout: { ...each.layout, pp, dp, zero } };
    }),
  ),
);
const all = (what: (settings: StepSettings) => unknown) => () => {
  for (const each of layouts) what(each);
};
timed(`memory of ${layouts.length} layouts, first`, all(heldAtMost), layouts.length);
for (let round = 0; round < 3; round++)
  timed(`memory of ${layouts.length} layouts, parts known`, all(heldAtMost), layouts.length);
timed(
  `estimates of ${layouts.length} layouts`,
  all((each) => estimate(each, widths)),
  layouts.length,
);
