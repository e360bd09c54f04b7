// `fivefold plan --claim`: whether what somebody says about the speed of training can be.
import { option } from '../errors.ts';
import { findPreset } from '../model/presets.ts';
import { trainingFlopsPerToken } from '../model/weights.ts';
import {
  formatsOf,
  type Speed,
  speedOf,
  type Utilisation,
  utilisationOf,
  verdictOf,
  verdicts,
} from '../plan/claim/judge-claim.ts';
import { type Claim, parseClaim } from '../plan/claim/parse-claim.ts';
import { fittedCosts } from '../plan/cost/fitted-costs.ts';
import type { Cluster } from '../plan/hardware/cluster.ts';
import type { NumberFormat } from '../plan/hardware/number-format.ts';
import { searchLayouts } from '../plan/search/search.ts';
import { refuse } from '../train/refuse.ts';
import { type Asked, type AskedOption, readAsked, taskOf } from './asked.ts';
import { trainingProducts } from './check-format.ts';
import {
  formatBecause,
  formatsTable,
  type JudgedFormat,
  obstacleFor,
  possibleSizes,
  sizesText,
  speedText,
} from './claim-report.ts';
import { clusterOf, readClusterSource } from './find-cluster.ts';
import { foundJson } from './found-json.ts';
import { type CliIo, writeJson, writeLine } from './io.ts';
import type { OptionValues } from './options.ts';
import { ended } from './searching.ts';
import { paint, wantsColour } from './ui/colour.ts';
import { columnsOf } from './ui/wrap.ts';

type ClaimValues = OptionValues<AskedOption | 'claim' | 'top' | 'json'>;

/** What the sentence and the options beside it say. */
interface ReadClaim extends Claim {
  readonly where: Cluster;
  readonly clusterName: string;
  readonly model?: string;
  readonly format?: NumberFormat;
}

export async function planClaim(values: ClaimValues, io: CliIo): Promise<void> {
  const claim = readClaim(values);
  const lines = claim.model === undefined ? judgeSizes(claim, values, io) : await judgeModel(claim, values, io);
  if (values.json) return;
  if (claim.unread.length > 0) lines.push(`not read: ${claim.unread.join(' ')}`);
  writeLine(io.stdout, lines.join('\n'));
}

/** @throws OPTION_INVALID for a sentence that says no speed or no devices, or other ones than the options */
function readClaim(values: ClaimValues): ReadClaim {
  const sentence = values.claim as string;
  const claim = parseClaim(sentence);
  if (!claim)
    return refuse(
      'claim',
      `"${sentence}" says no speed of training`,
      'write it like "8M tokens/s on 1024 H100", "400 TFLOP/s/GPU on 64 B200", "43% MFU on 2048 A100" or "15T tokens in 90 days on 4096 H100"',
    );
  if (claim.another !== undefined)
    refuse(
      'claim',
      `"${sentence}" says "${claim.another}" besides, which is a claim of its own`,
      'judge one at a time',
    );
  const given = values.cluster as string | undefined;
  const clusterName = given ?? claim.cluster;
  if (clusterName === undefined)
    return refuse(
      'claim',
      `"${sentence}" names no devices`,
      `add ${option('cluster')}, such as ${option('cluster')} 1024xh100`,
    );
  const where = clusterOf(readClusterSource(clusterName), clusterName);
  const said = claim.cluster && Number.parseInt(claim.cluster, 10);
  if (said && said !== where.devices)
    refuse(
      'cluster',
      `it has ${where.devices} devices and the claim is of ${said}`,
      'leave it out, or give one of as many',
    );
  const words = claim.unread.map((word) => word.toLowerCase());
  const model = (values.model as string | undefined) ?? words.find((word) => findPreset(word) !== undefined);
  const format = values.products ?? trainingProducts.find((name) => words.includes(name));
  const unread = claim.unread.filter((word) => ![model, format].includes(word.toLowerCase()));
  return { ...claim, where, clusterName, ...(model ? { model } : {}), ...(format ? { format } : {}), unread };
}

/** The formats that are looked at, and the speed; a share of the peak is of one format. */
function claimed(claim: ReadClaim, flopsPerToken: number | undefined): { formats: NumberFormat[]; speed: Speed } {
  const all = formatsOf(claim.where, claim.format);
  const format = claim.format ?? all[0];
  if (format === undefined || !all.includes(format))
    return refuse(
      'products',
      `${claim.where.device.title} has no products in ${format ?? 'bf16'}`,
      all[0] ? `use ${option('products')} ${all[0]}` : 'use another device',
    );
  const formats = claim.speed.kind === 'mfu' ? [format] : all;
  return { formats, speed: speedOf(claim.speed, claim.where, { flopsPerToken, format }) };
}

/** Without a model: what models it could be true of, or what share of the peak it is. */
function judgeSizes(claim: ReadClaim, { json }: ClaimValues, io: CliIo): string[] {
  const { formats, speed } = claimed(claim, undefined);
  const { flopsPerSecondPerDevice: flops, tokensPerSecondPerDevice: tokens } = speed;
  const used = formats.map((format) => utilisationOf(flops ?? 0, claim.where, format));
  const sizes = tokens === undefined ? [] : used.map((each) => possibleSizes(tokens, claim.where, each));
  const shares = flops === undefined ? [] : used;
  const because = flops === undefined ? sizesText(sizes).join('; ') : shares.map(shareText).join('; ');
  if (json) {
    for (const { format, atPeak, atMostMeasured, most } of sizes)
      writeJson(io.stdout, {
        format,
        mostParameters: atPeak,
        mostParametersMeasured: atMostMeasured,
        mostMeasured: most.share,
      });
    for (const { format, mfu, most } of shares) writeJson(io.stdout, { format, mfu, mostMeasured: most.share });
    writeJson(io.stdout, { done: true, ...speedJson(speed), because, unread: claim.unread });
    return [];
  }
  return [
    paint(`"${claim.clusterName}": ${speedText(speed)}`, 'bold', wantsColour(io.stdout)),
    '',
    ...(flops === undefined ? sizesText(sizes) : shares.map(shareText)),
    '',
    'Name a model with --model to see whether a layout reaches it.',
  ];
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const shareText = ({ format, mfu, most }: Utilisation): string => {
  const said = `it takes ${percent(mfu)} of the peak of products in ${format}`;
  if (mfu > 1) return `${said}: impossible`;
  return mfu > most.share
    ? `${said}, more than anybody has published (${percent(most.share)}, ${most.what})`
    : `${said}; ${percent(most.share)} has been measured (${most.what})`;
};

const speedJson = ({ tokensPerSecondPerDevice, flopsPerSecondPerDevice }: Speed) => ({
  ...(tokensPerSecondPerDevice === undefined ? {} : { tokensPerSecondPerGpu: tokensPerSecondPerDevice }),
  ...(flopsPerSecondPerDevice === undefined ? {} : { modelFlopsPerSecondPerGpu: flopsPerSecondPerDevice }),
});

async function judgeModel(claim: ReadClaim, values: ClaimValues, io: CliIo): Promise<string[]> {
  const { products: _, ...rest } = values;
  const [first] = formatsOf(claim.where, claim.format);
  const asked = readAsked({
    ...rest,
    ...(first ? { products: first as 'bf16' } : {}),
    model: claim.model!,
    cluster: claim.clusterName,
  });
  const { formats, speed } = claimed(claim, trainingFlopsPerToken(asked.config, asked.seqLen));
  const { tokensPerSecondPerDevice: tokens, flopsPerSecondPerDevice: flops } = speed as Required<Speed>;
  const judged: JudgedFormat[] = [];
  for (const format of formats) {
    const utilisation = utilisationOf(flops, claim.where, format);
    const found = utilisation.mfu > 1 ? [] : await foundIn(asked, format, values, io);
    const verdict = verdictOf(utilisation, found[0]);
    const obstacle = obstacleFor(verdict, tokens, found[0]);
    judged.push({ utilisation, verdict, found, ...(obstacle ? { obstacle } : {}) });
  }
  const rank = ({ verdict }: JudgedFormat) => verdicts.indexOf(verdict);
  // Of formats that do as well the widest; of that which the claim names, that alone.
  const decisive =
    judged.find(({ utilisation }) => utilisation.format === claim.format) ??
    judged.reduce((best, each) => (rank(each) > rank(best) ? each : best));
  // Narrower products are of interest where wider ones do not do.
  const wider = claim.format === undefined ? judged.slice(0, judged.indexOf(decisive)) : [];
  const because = [...wider, decisive].map((each) => formatBecause(each, tokens)).join(' ');
  if (values.json) {
    for (const { utilisation, verdict, found, obstacle } of judged)
      writeJson(io.stdout, {
        format: utilisation.format,
        mfu: utilisation.mfu,
        mostMeasured: utilisation.most.share,
        verdict,
        ...(obstacle ? { obstacle } : {}),
        layouts: found.map(foundJson),
      });
    writeJson(io.stdout, { done: true, verdict: decisive.verdict, ...speedJson(speed), because, unread: claim.unread });
    return [];
  }
  const style = { colour: wantsColour(io.stdout), columns: columnsOf(io.stdout) };
  return [
    paint(`"${values.claim}" of ${asked.model}: ${decisive.verdict}`, 'bold', style.colour),
    '',
    `${speedText(speed)}; steps of ${batchOf(asked)} sequences of ${asked.seqLen} tokens`,
    '',
    formatsTable(judged, style),
    '',
    because,
  ];
}

/** Of a device in a step: claims seldom say how large it is, and large ones are faster. */
const tokensOfDevice = 2 ** 14;

const batchOf = ({ globalBatch, cluster, seqLen }: Asked): number =>
  globalBatch ?? cluster.devices * Math.max(1, Math.floor(tokensOfDevice / seqLen));

async function foundIn(asked: Asked, products: NumberFormat, { top = 3, json }: ClaimValues, io: CliIo) {
  const task = taskOf({ ...asked, products }, batchOf(asked));
  const { found } = await ended(searchLayouts(task, fittedCosts, { objective: 'time', top }), io, json === true);
  return found;
}
