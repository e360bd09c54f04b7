// Every op there is, by name: what tests walk, and what a program that crosses threads is read by.

import { onCountedRows } from '../program/counted-rows.ts';
import type { Op } from '../program/program.ts';
import { activationOps } from './activation.ts';
import { attentionOps } from './attention.ts';
import { capacityOps } from './capacity.ts';
import { chooseTokensOps } from './choose-tokens.ts';
import { collectiveOps } from './collectives.ts';
import { elementwiseOps } from './elementwise.ts';
import { embeddingOps } from './embedding.ts';
import { exchangeOps } from './exchange-rows.ts';
import { featureOps } from './features.ts';
import { finishingOps } from './finishing.ts';
import { groupedOps } from './grouped-linear.ts';
import { headOps } from './heads.ts';
import { linearOps } from './linear.ts';
import { loadOps } from './load.ts';
import { localOps } from './local.ts';
import { logProbOps } from './log-prob.ts';
import { lossOps } from './loss.ts';
import { normOps } from './norm.ts';
import { outerOps } from './outer.ts';
import { partialAttentionOps } from './partial-attention.ts';
import { preferenceOps } from './preference.ts';
import { ropeOps } from './rope.ts';
import { routeOps } from './route.ts';
import { routerLossOps } from './router-loss.ts';
import { rowOps } from './rows.ts';

const families = [
  activationOps,
  attentionOps,
  capacityOps,
  chooseTokensOps,
  collectiveOps,
  elementwiseOps,
  embeddingOps,
  exchangeOps,
  featureOps,
  finishingOps,
  groupedOps,
  headOps,
  linearOps,
  loadOps,
  localOps,
  logProbOps,
  lossOps,
  normOps,
  outerOps,
  partialAttentionOps,
  preferenceOps,
  ropeOps,
  routeOps,
  routerLossOps,
  rowOps,
];

/** Attributes differ by op, so the table knows them only as objects. */
export const opTable: ReadonlyMap<string, Op> = new Map(
  families
    .flatMap((family) => Object.values(family) as unknown as Op[])
    .flatMap((op) => (op.rowwise ? [op, onCountedRows(op)] : [op]))
    .map((op) => [op.name, op]),
);
