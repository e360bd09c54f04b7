// Picks measured runs that predictions can be held against (src/plan/anchors/anchors.ts) from tables of them:
//
//   npx tsx tools/pick-anchors.ts <folder of tables>
//
// Of the rows that say how much is computed anew and how large a microbatch is, as many as are wanted, spread over models, devices, sizes and layouts: each time the one
// that is least like any that was picked. How well it is predicted plays no part.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { printLayout } from '../src/mesh/layout.ts';
import { replicasOf } from '../src/mesh/mesh.ts';
import type { ModelConfig } from '../src/model/config.ts';
import { checkFit } from '../src/model/fit.ts';
import { presets } from '../src/model/presets.ts';
import { predictors } from '../src/plan/accuracy/predictors.ts';
import { parseTable, type Row } from '../src/plan/accuracy/table.ts';
import { type TrainingCase, trainingCase } from '../src/plan/accuracy/training-row.ts';
import { type Anchor, anchorScenario } from '../src/plan/anchors/anchor.ts';
import { distance } from '../src/plan/anchors/nearest.ts';
import { changeOf } from '../src/plan/software/parse-software.ts';
import type { TrainingScenario } from '../src/plan/training/scenario.ts';

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error('usage: npx tsx tools/pick-anchors.ts <folder of tables>');
  process.exit(2);
}

const wanted = 120;

interface Measured {
  readonly row: Row;
  readonly scenario: TrainingScenario;
  readonly stepSeconds: number;
}

const rows = readdirSync(folder)
  .filter((name) => name.endsWith('.csv'))
  .toSorted()
  .flatMap((name) => {
    const table = parseTable(basename(name, '.csv'), readFileSync(join(folder, name), 'utf8'));
    return table.kind === 'training' ? table.rows.flatMap((row) => measuredIn(row, trainingCase(row))) : [];
  });

function measuredIn(row: Row, found: TrainingCase | string): Measured[] {
  if (typeof found === 'string' || found.scenarios.length > 1 || found.measured.stepSeconds === undefined) return [];
  const [scenario] = found.scenarios as [TrainingScenario];
  // Anchors have no word for it.
  if (scenario.offload) return [];
  const { config, layout, microBatch, microbatches, seqLen } = scenario;
  try {
    checkFit(config, layout, { microBatch, seqLen, globalBatch: replicasOf(layout) * microBatch * microbatches });
  } catch {
    // What no layout can be: `accuracy` says so of the row.
    return [];
  }
  return [{ row, scenario, stepSeconds: found.measured.stepSeconds }];
}

/** The next is the one farthest from all that were picked. */
const picked: Measured[] = [];
const away = rows.map(() => Number.POSITIVE_INFINITY);
while (picked.length < Math.min(wanted, rows.length)) {
  const next = away.reduce((best, value, at) => (value > away[best]! ? at : best), 0);
  picked.push(rows[next]!);
  for (const [at, { scenario }] of rows.entries())
    away[at] = Math.min(away[at]!, distance(scenario, rows[next]!.scenario));
}

/** Its config.json, or what it has otherwise than the model by name that it is most like. */
function shortConfig({ source, tiedHead }: ModelConfig): Anchor['config'] {
  const json: Readonly<Record<string, unknown>> = { ...source, tie_word_embeddings: tiedHead };
  const changes = Object.entries(presets).map(([like, preset]) => {
    const own = Object.entries(json).filter(([key, value]) => !isDeepStrictEqual(value, preset[key]));
    const isLess = Object.keys(preset).some((key) => !Object.hasOwn(json, key));
    return { like, own: Object.fromEntries(own), count: isLess ? Number.POSITIVE_INFINITY : own.length };
  });
  const best = changes.reduce((least, each) => (each.count < least.count ? each : least));
  return best.count <= 6 ? { like: best.like, ...best.own } : json;
}

/** A path in another project's repository, written so that it reads as none of this one's. */
const sourceOf = (source: string): string =>
  source.replace(/ (?=(?:src|test|tools|bench|examples|docs|bin)\/)/g, ' ./');

const anchors = picked.map(({ row, scenario, stepSeconds }): Anchor => {
  const { config, cluster, layout, seqLen, microBatch, microbatches, formats, software } = scenario;
  return {
    model: row.model ?? '',
    config: shortConfig(config),
    cluster: cluster.name,
    layout: printLayout(layout),
    seqLen,
    microBatch,
    microbatches,
    products: formats.products,
    software: changeOf(software),
    stepSeconds: Number(stepSeconds.toPrecision(4)),
    source: sourceOf(row.source ?? ''),
  };
});

for (const [at, anchor] of anchors.entries()) {
  const [written, meant] = [anchorScenario(anchor), picked[at]!.scenario];
  const apart = predictors.training(written).stepSeconds / predictors.training(meant).stepSeconds - 1;
  if (Math.abs(apart) > 1e-9)
    throw new Error(`${anchor.model}, ${anchor.layout}: read back it is another run (${apart})`);
}

writeFileSync(
  fileURLToPath(new URL('../src/plan/anchors/anchors.ts', import.meta.url)),
  `// Written by tools/pick-anchors.ts: measured runs, spread over models, devices, sizes and layouts.

/** An {@link Anchor} a line. */
export const anchorLines = String.raw\`
${anchors.map((anchor) => JSON.stringify(anchor)).join('\n')}
\`;
`,
);
