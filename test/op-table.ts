// Every op there is, by name: what the tests walk.

import { activationOps } from '../src/ops/activation.ts';
import { attentionOps } from '../src/ops/attention.ts';
import { collectiveOps } from '../src/ops/collectives.ts';
import { elementwiseOps } from '../src/ops/elementwise.ts';
import { embeddingOps } from '../src/ops/embedding.ts';
import { finishingOps } from '../src/ops/finishing.ts';
import { headOps } from '../src/ops/heads.ts';
import { linearOps } from '../src/ops/linear.ts';
import { localOps } from '../src/ops/local.ts';
import { lossOps } from '../src/ops/loss.ts';
import { normOps } from '../src/ops/norm.ts';
import { outerOps } from '../src/ops/outer.ts';
import { partialAttentionOps } from '../src/ops/partial-attention.ts';
import { ropeOps } from '../src/ops/rope.ts';
import type { Op } from '../src/program/program.ts';

const families = [
  activationOps,
  attentionOps,
  collectiveOps,
  elementwiseOps,
  embeddingOps,
  finishingOps,
  headOps,
  linearOps,
  localOps,
  lossOps,
  normOps,
  outerOps,
  partialAttentionOps,
  ropeOps,
];

/** Attributes differ by op, so the table knows them only as objects. */
export const opTable: ReadonlyMap<string, Op> = new Map(
  families.flatMap((family) => Object.values(family)).map((op) => [op.name, op as unknown as Op]),
);
