// Gathers of still shards, as the transport wants them: between a change of a shard and such a gather, in either order, all ranks meet.
import { expect, test } from 'vitest';
import { parseLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import { parseModelConfig } from '../model/families.ts';
import { buildLogitsStep, buildLossStep } from './forward-step.ts';
import type { Instruction, RankProgram } from './step.ts';
import { touched } from './step.ts';
import { buildTrainingStep } from './training-step.ts';

type Collective = Extract<Instruction, { kind: 'collective' }>;

/** The bucket of a buffer that is a vector of parameters. */
function shardOf({ buffers, state }: RankProgram, id: number): string | undefined {
  const where = buffers[id]!.in;
  if (where === 'own' || !('vector' in where)) return undefined;
  const { role, bucket } = state[where.vector]!;
  return role === 'parameter' ? bucket.name : undefined;
}

const gathersOf = (program: RankProgram): Collective[] =>
  program.instructions.filter(
    (each): each is Collective => each.kind === 'collective' && each.call === 'allGather' && isRead(program, each),
  );
const isRead = (program: RankProgram, { input }: Collective): boolean => shardOf(program, input) !== undefined;

/** What the programs, played one after the other, do wrong; and how many gathers need not meet. */
function faultsOf(programs: readonly RankProgram[]): { faults: string[]; still: number } {
  const faults: string[] = [];
  const groups = new Map(
    programs.flatMap((program) =>
      gathersOf(program).map(({ input, group }) => [shardOf(program, input)!, group.ranks] as const),
    ),
  );
  // Since all ranks of a shard have last met. The first values are a change.
  const changed = new Set(groups.keys());
  const read = new Set<string>();
  let still = 0;
  const meet = ({ ranks }: Collective['group']): void => {
    for (const [shard, members] of groups)
      if (members.every((rank) => ranks.includes(rank))) {
        changed.delete(shard);
        read.delete(shard);
      }
  };
  for (const program of programs)
    for (const instruction of program.instructions) {
      if (instruction.kind === 'collective' && instruction.how.still) {
        const shard = shardOf(program, instruction.input)!;
        still++;
        read.add(shard);
        if (changed.has(shard)) faults.push(`${instruction.site}: ${shard} has changed`);
        continue;
      }
      if (instruction.kind === 'collective') meet(instruction.group);
      if (instruction.kind === 'collective' && isRead(program, instruction)) continue;
      for (const id of touched(instruction)) {
        const shard = shardOf(program, id);
        if (shard === undefined || !groups.has(shard)) continue;
        if (read.has(shard)) faults.push(`${instruction.site}: ${shard} changes while others may gather it`);
        changed.add(shard);
      }
    }
  return { faults, still };
}

const layouts = [
  'dp=2,zero=3',
  'dp=3,zero=3,recompute=full',
  'tp=2,sp,dp=2,zero=3',
  'pp=2,dp=2,zero=3',
  'pp=2,dp=2,zero=3,schedule=zb-h1',
  'tp=2,pp=2,dp=2,zero=3,virtual=2',
];

test.each(layouts.flatMap((text) => [true, false].map((tied) => [text, tied] as const)))(
  '%s, tied: %s: a shard that changes is met for before it is gathered without a meeting, and after',
  (text, tied) => {
    const config = parseModelConfig(
      {
        model_type: 'llama',
        vocab_size: 64,
        hidden_size: 32,
        num_hidden_layers: 4,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        intermediate_size: 48,
        tie_word_embeddings: tied,
      },
      'llama',
    );
    const layout = parseLayout(text);
    const settings = { config, layout, seqLen: 16, microBatch: 1, microbatches: 2, precision: 'f32' } as const;
    for (let rank = 0; rank < worldSize(layout); rank++) {
      const training = buildTrainingStep(settings, rank);
      const loss = buildLossStep(settings, rank);
      const logits = buildLogitsStep(settings, rank);
      const { faults, still } = faultsOf([training, loss, training, logits, loss, training]);
      expect(faults).toEqual([]);
      const gathers = gathersOf(training).length;
      expect(gathers).toBeGreaterThan(4);
      // All but the first of a program, which meets.
      const all = 3 * gathers + 2 * gathersOf(loss).length + gathersOf(logits).length;
      expect(still).toBe(all - 6);
      // Without a meeting every rule is broken.
      const alone = { ...training, instructions: training.instructions.filter((each) => !meets(each)) };
      expect(faultsOf([alone, alone]).faults.some((fault) => fault.includes('has changed'))).toBe(true);
      expect(faultsOf([alone, alone]).faults.some((fault) => fault.includes('changes while'))).toBe(true);
    }
  },
);

const meets = (instruction: Instruction): boolean => instruction.kind === 'collective' && !instruction.how.still;
