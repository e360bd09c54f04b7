// A row of a serving table as what is asked of a prediction, and what was measured; or why it cannot be.
import { FivefoldError } from '../../errors.ts';
import type { ModelConfig } from '../../model/config.ts';
import { parseModelConfig } from '../../model/families.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import { type EngineName, engineNames } from '../serving/engines.ts';
import type { Deployment, ServingFormats, ServingScenario } from '../serving/scenario.ts';
import { namedModel } from './named-models.ts';
import { clusterNameOf } from './row-cluster.ts';
import { columnDeployment, devicesOf, misfit, poolsOf, writtenLayout } from './serving-layout.ts';
import { numberIn, type Row } from './table.ts';

/** What was measured of served requests. */
export type ServingFigure = 'seconds an output token' | 'output tokens a second';

export interface ServingCase {
  readonly scenario: ServingScenario;
  readonly figure: ServingFigure;
  readonly measured: number;
  readonly secondsToFirstToken?: number;
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
  const measured = numberIn(row, 'silicon_tpot_ms');
  const first = numberIn(row, 'silicon_ttft_ms');
  if (concurrency === undefined) return 'it does not say how many requests are under way';
  if (measured === undefined) return 'it measures no time of an output token';
  return {
    scenario: { ...common, load: { kind: 'closed', concurrency } },
    figure: 'seconds an output token',
    measured: measured / 1000,
    ...(first === undefined ? {} : { secondsToFirstToken: first / 1000 }),
  };
}

function throughputCase(row: Row): ServingCase | string {
  const layout = writtenLayout(row.parallelism ?? '');
  if (typeof layout === 'string') return layout;
  const deployment: Deployment = { kind: 'aggregated', pool: { layout, instances: 1 } };
  const common = commonOf(row, deployment);
  if (typeof common === 'string') return common;
  const measured = figureOf(row.metric ?? '', numberIn(row, 'value'), devicesOf(deployment));
  if (measured === undefined) return `what it measures (${row.metric ?? 'nothing'}) is not predicted`;
  const load = loadOf(row);
  return typeof load === 'string' ? load : { scenario: { ...common, load }, ...measured };
}

/** Figures as tables name them. */
function figureOf(
  metric: string,
  value: number | undefined,
  devices: number,
): Pick<ServingCase, 'figure' | 'measured'> | undefined {
  if (value === undefined) return undefined;
  if (/^tpot ms/i.test(metric)) return { figure: 'seconds an output token', measured: value / 1000 };
  if (/output tokens\/s per gpu/i.test(metric)) return { figure: 'output tokens a second', measured: value * devices };
  if (/total output tokens\/s/i.test(metric)) return { figure: 'output tokens a second', measured: value };
  return undefined;
}

function loadOf(row: Row): ServingScenario['load'] | string {
  if (/max load|offline/i.test(row.load ?? '')) return { kind: 'saturated' };
  const concurrency = numberIn(row, 'batch');
  return concurrency === undefined
    ? 'it does not say how many requests are under way'
    : { kind: 'closed', concurrency };
}

/** All but the load. */
function commonOf(row: Row, deployment: Deployment): Omit<ServingScenario, 'load'> | string {
  const engine = engineOf(row.engine ?? '');
  if (engine === undefined) return `${row.engine ?? 'its engine'} is not an engine that is known`;
  const named = clusterNameOf(row, devicesOf(deployment));
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

/** Checkpoints of mixtures that are narrower than 8 bits have narrow experts alone. TensorRT-LLM keeps keys and values of 8 bits, SGLang on Blackwell. */
function servedFormats(row: Row, engine: EngineName, model: ModelConfig): ServingFormats | string {
  const written = (row.precision ?? row.gemm_quant_mode ?? 'bf16').toLowerCase();
  const isBlackwell = /b[23]00/i.test(row.gpu ?? '');
  const cache = engine === 'trtllm' || (engine === 'sglang' && isBlackwell) ? 'fp8' : 'bf16';
  const common = { activations: 'bf16', cache } as const;
  if (written.includes('bf16')) return { ...common, weights: 'bf16', cache: 'bf16' };
  if (written.includes('fp16')) return { weights: 'fp16', cache: 'fp16', activations: 'fp16' };
  if (written.includes('fp8')) return { ...common, weights: 'fp8' };
  const narrow = written.includes('fp4') ? 'nvfp4' : written.includes('int4') ? 'int4' : undefined;
  if (narrow === undefined) return `its format ${written} is not known`;
  return model.mixture ? { ...common, weights: 'bf16', experts: narrow } : { ...common, weights: narrow };
}

/** Requests of 1024 and 8192 tokens are those of a benchmark that draws their lengths between 0.8 of these and these. */
const shortestOf = ({ isl, osl, source_note: note }: Row): number =>
  [isl, osl].every((length) => length === '1024' || length === '8192') &&
  note !== undefined &&
  !note.startsWith('silicon')
    ? 0.8
    : 1;
