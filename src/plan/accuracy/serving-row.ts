// A row of a serving table as what is asked of a prediction, and what was measured; or why it cannot be.
import { FivefoldError } from '../../errors.ts';
import type { ModelConfig } from '../../model/config.ts';
import { parseModelConfig } from '../../model/families.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import { type EngineName, engineNames } from '../serving/engines.ts';
import { meanLengths } from '../serving/lengths.ts';
import type { Deployment, ServingScenario } from '../serving/scenario.ts';
import type { ServingMetric } from './figures.ts';
import { namedModel } from './named-models.ts';
import { benchmarkedLayout, isOffline, offlineLoad } from './offline-run.ts';
import { clusterNameOf } from './row-cluster.ts';
import { servedFormats } from './served-formats.ts';
import { columnDeployment, devicesOf, misfit, poolsOf, wholeNodes, writtenLayout } from './serving-layout.ts';
import { numberIn, type Row, readingIn } from './table.ts';

/** What a row is judged by first. */
export type ServingFigure = Extract<ServingMetric, 'timePerOutputToken' | 'throughput'>;

/** Seconds, and tokens a second of all devices. */
export type ServingMeasured = Readonly<Partial<Record<ServingMetric, number>>>;

export interface ServingCase {
  readonly scenario: ServingScenario;
  readonly figure: ServingFigure;
  /** The figure at least. */
  readonly measured: ServingMeasured;
}

/** @returns the case, or why there is none, in words that follow `row:` */
export function servingCase(kind: 'latencies' | 'throughputs', row: Row): ServingCase | string {
  try {
    return kind === 'latencies' ? latencyCase(row) : throughputCase(row);
  } catch (error) {
    if (error instanceof FivefoldError) return error.message;
    throw error;
  }
}

function latencyCase(row: Row): ServingCase | string {
  const deployment = columnDeployment(row);
  if (typeof deployment === 'string') return deployment;
  const named = { ...row, gpu: row.system ?? '', model: row.model_path ?? '', engine: row.backend ?? '' };
  const common = commonOf(named, deployment);
  if (typeof common === 'string') return common;
  const concurrency = numberIn(row, 'concurrency');
  const perToken = secondsIn(row, 'silicon_tpot_ms');
  const first = secondsIn(row, 'silicon_ttft_ms');
  if (concurrency === undefined) return 'it does not say how many requests are under way';
  if (perToken === undefined) return 'it measures no time of an output token';
  const { outputTokens } = meanLengths(common.lengths);
  // As many under way at any time, each for so long (Little's law).
  const rate = (toFirst: number) => (concurrency * outputTokens) / (toFirst + perToken * (outputTokens - 1));
  return {
    scenario: { ...common, load: { kind: 'closed', concurrency } },
    figure: 'timePerOutputToken',
    measured: {
      timePerOutputToken: perToken,
      ...(first === undefined ? {} : { timeToFirstToken: first, throughput: rate(first) }),
    },
  };
}

/** Of milliseconds; tables write 0 for what was not measured. */
function secondsIn(row: Row, column: string): number | undefined {
  const milliseconds = numberIn(row, column) === 0 ? undefined : readingIn(row, column);
  return milliseconds === undefined ? undefined : milliseconds / 1000;
}

function throughputCase(row: Row): ServingCase | string {
  const model = servedModel(row.model ?? '');
  if (typeof model === 'string') return model;
  const written = writtenLayout(row.parallelism ?? '');
  if (typeof written === 'string') return written;
  const layout = model.mixture ? benchmarkedLayout(row, written) : written;
  const deployment: Deployment = { kind: 'aggregated', pool: { layout, instances: 1 } };
  const common = commonOf(row, deployment);
  if (typeof common === 'string') return common;
  const measured = figureOf(row, devicesOf(deployment));
  if (measured === undefined) return `what it measures (${row.metric ?? 'nothing'}) is not predicted`;
  const load = loadOf(row);
  return typeof load === 'string' ? load : { scenario: { ...common, load }, ...measured };
}

/** Figures as tables name them. */
function figureOf(row: Row, devices: number): Pick<ServingCase, 'figure' | 'measured'> | undefined {
  const value = readingIn(row, 'value');
  if (value === undefined) return undefined;
  const { metric = '' } = row;
  const tokens = (throughput: number) => ({ figure: 'throughput', measured: { throughput } }) as const;
  if (/^tpot ms/i.test(metric)) return { figure: 'timePerOutputToken', measured: { timePerOutputToken: value / 1000 } };
  if (/output tokens\/s per gpu/i.test(metric)) return tokens(value * devices);
  return /total output tokens\/s|tokens\/s \(total\)/i.test(metric) ? tokens(value) : undefined;
}

function loadOf(row: Row): ServingScenario['load'] | string {
  if (isOffline(row)) return offlineLoad(row);
  const concurrency = numberIn(row, 'batch');
  return concurrency === undefined
    ? 'it does not say how many requests are under way'
    : { kind: 'closed', concurrency };
}

/** All but the load. */
function commonOf(row: Row, deployment: Deployment): Omit<ServingScenario, 'load'> | string {
  const engine = engineOf(row.engine ?? '');
  if (engine === undefined) return `${row.engine ?? 'its engine'} is not an engine that is known`;
  const named = clusterNameOf(row, wholeNodes(row, devicesOf(deployment)));
  if ('problem' in named) return named.problem;
  const model = servedModel(row.model ?? '');
  if (typeof model === 'string') return model;
  const wrong = poolsOf(deployment).flatMap(({ layout }) => misfit(model, layout) ?? [])[0];
  if (wrong !== undefined) return wrong;
  const inputTokens = numberIn(row, 'isl');
  const outputTokens = numberIn(row, 'osl');
  if (inputTokens === undefined || outputTokens === undefined) return 'it does not say how long requests are';
  const formats = servedFormats(row, engine, model);
  if (typeof formats === 'string') return formats;
  const lengths = { inputTokens, outputTokens, shortest: shortestOf(row) };
  return { model, cluster: parseCluster(named.name), engine, formats, deployment, lengths };
}

const engineOf = (written: string): EngineName | undefined =>
  /tensorrt-llm/i.test(written) ? 'trtllm' : engineNames.find((name) => written.toLowerCase().startsWith(name));

function servedModel(name: string): ModelConfig | string {
  const json = namedModel(name);
  return json ? parseModelConfig(json, name) : `the sizes of ${name || 'its model'} are not known`;
}

/** Requests of 1024 and 8192 tokens are those of a benchmark that draws their lengths between 0.8 of these and these. */
const shortestOf = ({ isl, osl, source_note: note }: Row): number =>
  [isl, osl].every((length) => length === '1024' || length === '8192') &&
  note !== undefined &&
  !note.startsWith('silicon')
    ? 0.8
    : 1;
