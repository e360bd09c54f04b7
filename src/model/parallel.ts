// Into and out of the tensor-parallel region: the only place where a block talks.
//
//            without sp                         with sp
//   in       enter I -> R (free)                all-gather the sequence V1 -> R
//   out      all-reduce P -> I                  reduce-scatter the sequence P -> V1
import type { Layout } from '../mesh/layout.ts';
import { allGather, allReduce, enter, reduceScatter } from '../ops/collectives.ts';
import type { Value } from '../program/program.ts';

export const enterParallel = (x: Value, { sp }: Layout): Value => (sp ? allGather(x, 'tp', 1) : enter(x, 'tp'));
export const leaveParallel = (x: Value, { sp }: Layout): Value =>
  sp ? reduceScatter(x, 'tp', 1) : allReduce(x, 'tp', 'I');
