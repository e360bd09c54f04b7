// When each error comes and how one of its kind reads: what docs/errors.md is made from.
import { type ErrorCode, FivefoldError } from '../src/errors.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { parseModelConfig } from '../src/model/families.ts';
import { checkFit } from '../src/model/fit.ts';

import { parseTable } from '../src/plan/accuracy/table.ts';

import { kernelSeconds } from '../src/plan/cost/kernels.ts';
import { deviceOf } from '../src/plan/hardware/catalogue/devices.ts';
import { parseCluster } from '../src/plan/hardware/cluster-name.ts';

import { gpipe } from '../src/schedule/gpipe.ts';
import { parseSchedule } from '../src/schedule/parse.ts';
import { verify } from '../src/schedule/verify.ts';
import { tinyLlama } from './tiny-llama.ts';

export interface ErrorExample {
  /** Follows "It comes when". */
  readonly when: string;
  /** What its message is made from, or what raises it. */
  readonly from: Readonly<Record<string, unknown>> | (() => unknown);
}

const model = parseModelConfig(tinyLlama, 'config.json');
const fitting = (layout: string) => () =>
  checkFit(model, parseLayout(layout), { seqLen: 16, globalBatch: 8, microBatch: 1 });

export const errorExamples: Readonly<Record<ErrorCode, ErrorExample>> = {
  LAYOUT_SYNTAX: { when: 'a layout cannot be read', from: () => parseLayout('tp=two') },
  LAYOUT_UNKNOWN: { when: 'a layout names an axis or setting there is not', from: () => parseLayout('tp=2,xp=2') },
  LAYOUT_INDIVISIBLE: { when: 'an axis does not divide what it cuts', from: fitting('tp=3') },
  LAYOUT_STAGES: { when: 'a pipeline has more stages than the model has layers', from: fitting('pp=4') },
  LAYOUT_SCHEDULE: {
    when: 'the settings of a pipeline do not go together',
    from: () => parseLayout('pp=2,virtual=2,schedule=zb-h1'),
  },
  TYPE_MISMATCH: {
    when: 'a program uses a sharded, partial or replicated value where another is needed',
    from: {
      op: 'gelu',
      site: 'layer 3 / mlp',
      axis: 'tp',
      problem: 'operand 0 is partial and the op is not linear in it',
      fix: 'all-reduce it first',
    },
  },
  NO_GRADIENT: {
    when: 'a program is differentiated through an op, or a result of one, that has no gradient',
    from: { op: 'argmax', site: 'head' },
  },
  SHAPE_MISMATCH: {
    when: 'operands of an op, or buffers of a collective, do not fit each other',
    from: {
      op: 'linear',
      site: 'layer 0 / mlp',
      problem: 'x is [4, 8] and the weight [16, 6]; the last dims must be equal',
    },
  },
  SCHEDULE_FILE: {
    when: 'the file of schedule=file: cannot be read, is wrong, or is for another layout or number of microbatches',
    from: () => parseSchedule('schedule my stages=1 microbatches=1\nstage 0: B0 F0\n', 'my.schedule'),
  },
  SCHEDULE_INVALID: {
    when: 'a pipeline schedule would hang, leave work out or use what is not there yet',
    from: () => {
      const good = gpipe(2, 1);
      const stages = good.stages.map((actions, stage) => (stage === 0 ? actions.slice(0, -1) : actions));
      return verify({ ...good, stages });
    },
  },
  CONFIG_INVALID: {
    when: 'a config.json lacks a key, or has a value that is not possible or not implemented',
    from: {
      path: 'config.json',
      problem: 'hidden_size is missing',
      fix: 'give the config.json of a Hugging Face model',
    },
  },
  FAMILY_UNSUPPORTED: {
    when: 'a config.json is of a family that is not implemented',
    from: () => parseModelConfig({ model_type: 'mamba' }, 'config.json'),
  },
  CHECKPOINT_MISSING: {
    when: 'a model, checkpoint or a file of one is not there or cannot be read',
    from: {
      path: 'runs/book',
      problem: 'there is no such file or preset',
      fix: 'use a config.json or a checkpoint directory',
    },
  },
  CHECKPOINT_BROKEN: {
    when: 'a file of a checkpoint is damaged or says what cannot be',
    from: {
      path: 'runs/book/model-step000020-00001-of-00001.safetensors',
      problem: 'truncated: tensor lm_head.weight ends at byte 9216, the file has 9116',
      fix: 'copy or download it again',
    },
  },
  CHECKPOINT_MISMATCH: {
    when: 'a checkpoint is whole but not that of this model or run',
    from: {
      path: 'runs/book',
      problem: 'it has no tensor lm_head.weight',
      fix: 'give the config.json that belongs to it',
    },
  },
  DATA_MISSING: {
    when: 'training data are not there or cannot be read',
    from: { path: 'book.txt', problem: 'it does not exist', fix: 'give text files or folders of them' },
  },
  DATA_CHANGED: {
    when: 'a run is gone on with and its data are other ones',
    from: { path: 'runs/book', before: '48210 tokens', now: '48377 tokens', fix: 'give the files it was started with' },
  },
  DATA_EMPTY: { when: 'training data hold no text', from: { path: 'empty.txt', fix: 'give files with text in them' } },
  DATA_SHORT: {
    when: 'training data hold less than one sequence',
    from: { seqLen: 256, needed: 257, tokens: 100, fix: 'use a sequence length of 99 or less, or give more data' },
  },
  TABLE_INVALID: {
    when: 'a table of measurements cannot be read',
    from: () => parseTable('runs', 'a,b\n1,2\n'),
  },
  PLAN_INVALID: {
    when: 'what is to be explained is no plan',
    from: {
      path: 'plan.json',
      problem: 'it has fewer than the two lines of the shortest plan',
      fix: 'give what fivefold plan --json has written, all of it',
    },
  },
  OUT_EXISTS: { when: 'a new run is to be written where there is one', from: { path: 'runs/book' } },
  OUT_UNWRITABLE: {
    when: 'a directory cannot be written to',
    from: { path: '/runs/book', problem: 'permission denied' },
  },
  OUT_BUSY: {
    when: 'another run that is alive writes into the directory',
    from: { path: 'runs/book', holder: 'process 4711 since 14:05' },
  },
  OPTION_INVALID: {
    when: 'a setting is missing, not possible, or does not go with another',
    from: { option: 'topP', problem: '1.5 is not a number from 0 to 1', fix: 'use topP 0.9' },
  },
  MEMORY_SHORT: {
    when: 'a run would need more memory than this machine has',
    from: {
      neededBytes: 21e9,
      parts: { weights: 5e9, 'optimizer state': 10e9, activations: 6e9 },
      availableBytes: 12.2e9,
      fix: 'use a smaller microbatch',
    },
  },
  DEVICE_UNKNOWN: {
    when: 'a cluster is of a device that is not in the catalogue',
    from: () => parseCluster('8xh1000'),
  },
  DEVICE_FORMAT: {
    when: 'products are planned in a format that a device does not multiply',
    from: () =>
      kernelSeconds({ kind: 'matmul', batch: 1, m: 64, n: 64, k: 64 }, deviceOf('a100'), {
        products: 'fp8',
        activations: 'bf16',
      }),
  },
  CLUSTER_INVALID: {
    when: 'the name or the file of a cluster cannot be read, or contradicts itself',
    from: () => parseCluster('12xh100'),
  },
  SAVE_FAILED: {
    when: 'a checkpoint cannot be written in the middle of a run; the last one is named',
    from: {
      step: 300,
      path: 'runs/book',
      problem: 'no space is left on the device',
      survivor: 200,
      fix: 'free some space',
    },
  },
  TRACE_FAILED: {
    when: 'a trace cannot be written in the middle of a run',
    from: { path: 'step.json', problem: 'no space is left on the device' },
  },
  PLATFORM_UNSUPPORTED: {
    when: 'there is no ONNX Runtime for this machine, or it cannot be loaded',
    from: { given: 'linux ia32', problem: 'there is no build of ONNX Runtime for it', fix: 'use linux x64' },
  },
  TRAINING_DIVERGED: {
    when: 'the loss or a gradient is no number any more',
    from: { step: 17, problem: 'loss NaN and gradient norm NaN', saved: 'runs/book' },
  },
  COLLECTIVE_TIMEOUT: {
    when: 'a rank waits longer than the time-out for others that do not move',
    from: {
      rank: 0,
      seconds: 30,
      op: 'allReduce',
      axis: 'tp',
      site: 'layer 3 / mlp',
      waitingFor: 'rank 1',
      detail: 'rank 1 was last seen at layer 2 / attention',
      recorder: 'runs/book/flight-recorders',
    },
  },
  COLLECTIVE_MISMATCH: {
    when: 'ranks of a group call different collectives',
    from: {
      axis: 'tp',
      rank: 0,
      peer: 1,
      mine: 'allReduce(sum, f32, 64)',
      theirs: 'allGather(f32, 64)',
      recorder: 'runs/book/flight-recorders',
    },
  },
  RANK_FAILED: {
    when: 'a rank ends with an error of its own, or without a word',
    from: { rank: 3, site: 'layer 3 / mlp', problem: 'its thread ended', recorder: 'runs/book/flight-recorders' },
  },
  RUN_ABORTED: { when: 'whoever started a run stops it', from: { problem: 'stopped from outside' } },
};

/** The error itself. */
export function errorOf(code: ErrorCode): FivefoldError {
  const { from } = errorExamples[code];
  if (typeof from !== 'function') return new FivefoldError(code, from);
  try {
    from();
  } catch (error) {
    if (error instanceof FivefoldError) return error;
    throw error;
  }
  throw new Error(`the example of ${code} raises nothing`);
}
