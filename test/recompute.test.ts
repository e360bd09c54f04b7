// Recomputation changes nothing: finished gradients, moments and weights are the same bits, whatever is computed anew.
import { describe, expect, test } from 'vitest';
import { parseLayout } from '../src/mesh/layout.ts';
import { parseModelConfig } from '../src/model/families.ts';
import { predictRank } from '../src/plan/predict-step.ts';
import type { StepSettings } from '../src/step/settings.ts';
import { buildTrainingStep } from '../src/step/training-step.ts';
import { optimizerDefaults } from '../src/train/optimizer.ts';
import type { EqualityJob, EqualityResult } from './equality-rank.ts';
import { runEquality } from './equality-run.ts';
import { sharedPool } from './shared-pool.ts';
import { configJson, type FamilyName, familyNames } from './small-models.ts';

const pool = sharedPool();

const layers = 3;
const steps = 3;
/** With an MLP in the second layer, where the family may have that. */
const mixture = { experts: 5, perToken: 2, width: 8, sharedWidth: 6, normalised: true, dense: [1] } as const;
const policies = ['none', 'selective', 'full', 'full:0+2', 'selective:1-2'] as const;

function settingsOf(family: FamilyName, layout: string, precision: StepSettings['precision']): StepSettings {
  const model = { family, heads: 4, kvHeads: 2, headDim: 6, hidden: 20, mlp: 24, vocab: 29, layers } as const;
  const json = configJson({ ...model, tied: true, biases: true, window: 5, mixture });
  const config = parseModelConfig(json, family);
  return { config, layout: parseLayout(layout), seqLen: 12, microBatch: 1, microbatches: 3, precision };
}

async function trained(settings: StepSettings): Promise<EqualityResult[]> {
  const { seqLen } = settings;
  const sequences = Array.from({ length: 18 }, (_, row) => {
    const token = (i: number) => (Math.imul(row * 13 + i + 7, 0x9e3779b1) >>> 8) % 29;
    const tokens = Int32Array.from({ length: seqLen + 1 }, (_, i) => token(i));
    return { inputs: tokens.subarray(0, seqLen), targets: tokens.subarray(1) };
  });
  const job: EqualityJob = { settings, optimizer: optimizerDefaults(1e-2, steps), steps, sequences };
  return runEquality(job, pool);
}

const flopsOf = (settings: StepSettings): number => {
  return predictRank(buildTrainingStep(settings, 0)).flops;
};

/** Those whose every number is not the same bits. */
const different = (a: readonly EqualityResult[], b: readonly EqualityResult[]): string[] =>
  a.flatMap(({ shards, losses, gradNorms }, rank) => {
    const other = b[rank]!;
    expect(other.shards.map(({ name, what, ranges }) => `${what} ${name} ${ranges}`)).toEqual(
      shards.map(({ name, what, ranges }) => `${what} ${name} ${ranges}`),
    );
    const same = (x: Float64Array, y: Float64Array) => Buffer.from(x.buffer).equals(Buffer.from(y.buffer));
    const wrong = shards.filter(({ numbers }, index) => !same(numbers, other.shards[index]!.numbers));
    const scalars = [...losses, ...gradNorms].every((value, i) =>
      Object.is(value, [...other.losses, ...other.gradNorms][i]),
    );
    return [
      ...wrong.map(({ name, what }) => `rank ${rank}: ${what} of ${name}`),
      ...(scalars ? [] : [`rank ${rank}: loss`]),
    ];
  });

/** Each family in a layout of its own. */
const layouts: Readonly<Record<FamilyName, string>> = {
  gpt2: 'tp=2,sp',
  deepseek_v2: 'tp=2,dp=2,zero=3',
  deepseek_v3: 'tp=2,sp,pp=3',
  gemma: 'pp=3,schedule=zb-h1',
  gemma3_text: 'tp=2,sp,dp=2',
  llama: 'tp=2,dp=2,zero=3',
  mistral: 'pp=3,schedule=gpipe',
  mixtral: 'tp=2,dp=2,zero=3',
  nemotron: 'pp=3,schedule=gpipe',
  qwen2: 'tp=2,dp=2,zero=2',
  qwen2_moe: 'tp=2,sp',
  qwen3: 'tp=2,sp,pp=3',
  qwen3_moe: 'pp=3,schedule=zb-h1',
};

/** Of those that have every kind of block among them, in f32 too. */
const alsoInF32: readonly FamilyName[] = ['gpt2', 'deepseek_v3', 'llama', 'qwen2_moe'];

describe.each(familyNames)('%s', (family) => {
  test.each(alsoInF32.includes(family) ? (['f64', 'f32'] as const) : (['f64'] as const))(
    `in ${layouts[family]}, %s`,
    async (precision) => {
      const settings = policies.map((policy) =>
        settingsOf(family, `${layouts[family]}${policy === 'none' ? '' : `,recompute=${policy}`}`, precision),
      );
      const [kept, ...recomputed] = settings as [StepSettings, ...StepSettings[]];
      const plain = await trained(kept);
      expect(plain.every(({ losses }) => losses.length === steps && losses.every((loss) => loss > 0.1))).toBe(true);
      for (const each of recomputed) expect(different(plain, await trained(each))).toEqual([]);
      // It is no idle setting: the whole block costs FLOPs again.
      expect(flopsOf(settings[2]!)).toBeGreaterThan(1.1 * flopsOf(kept));
    },
  );
});
