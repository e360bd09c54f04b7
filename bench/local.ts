// Predicted against measured step time of this project's own runtime, on two ranks of this machine, in ten layouts: `npx tsx bench/local.ts [--rounds <n>]`.
// In every round the machine is measured, then every layout is predicted from that and run. Bytes, FLOPs and memory are those of the planner's summaries.
import { parseArgs } from 'node:util';
import { findModel, type ModelSource } from '../src/checkpoint/model-source.ts';
import { formatTable } from '../src/cli/ui/table.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { plainRouter } from '../src/model/router.ts';
import { fittedCosts } from '../src/plan/cost/fitted-costs.ts';
import { lowerQuartile } from '../src/plan/cost/measured/fit-measured.ts';
import { measuredCluster } from '../src/plan/hardware/measured-cluster.ts';
import { estimate } from '../src/plan/summary/estimate.ts';
import { predictTraining, stepSettings } from '../src/plan/training/predict-training.ts';
import { mixedPrecision, ownRuntime, type TrainingScenario, widthsOf } from '../src/plan/training/scenario.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import { calibrate } from '../src/train/calibration/calibrate.ts';
import { train } from '../src/train/train.ts';
import { formatSeconds } from '../src/units.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { median, withTokens } from './model.ts';

const dense = findModel('llama-medium', ['num_hidden_layers=4']);
const mixture = findModel('mixtral-tiny', ['hidden_size=256', 'intermediate_size=704']);

interface Case {
  readonly layout: string;
  readonly model?: ModelSource;
  readonly routing?: 'experts';
}

const cases = [
  { layout: 'dp=2' },
  { layout: 'dp=2,zero=1' },
  { layout: 'dp=2,zero=3' },
  { layout: 'tp=2' },
  { layout: 'tp=2,sp,recompute=full' },
  { layout: 'pp=2' },
  { layout: 'pp=2,virtual=2' },
  { layout: 'pp=2,schedule=zb-h1' },
  { layout: 'cp=2' },
  { layout: 'cp=2,cpMode=ulysses,recompute=selective' },
  { layout: 'ep=2', model: mixture, routing: 'experts' },
] as const satisfies readonly Case[];

const shape = { seqLen: 512, microBatch: 1, globalBatch: 4 };
const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, steps: { type: 'string', default: '6' } },
});
const pool = createPool();
const found = new Map(
  cases.map(({ layout }) => [
    layout as string,
    { predicted: [] as number[], measured: [] as number[], exact: true, memory: 1 },
  ]),
);

await withTokens(async (tokenFile) => {
  for (let round = 1; round <= Number(values.rounds); round++) {
    process.stderr.write(`local, round ${round} of ${values.rounds}\n`);
    const machine = await calibrate({ pool });
    for (const { layout: text, model = dense, routing } of cases as readonly Case[]) {
      const layout = parseLayout(text);
      const { seqLen, microBatch, globalBatch } = shape;
      const scenario: TrainingScenario = {
        config: model.config,
        layout,
        seqLen,
        microBatch,
        microbatches: globalBatch / microBatch / layout.dp / layout.ep,
        cluster: measuredCluster(machine, 2),
        formats: mixedPrecision('fp32'),
        software: ownRuntime,
        ...(routing ? { router: { ...plainRouter, routing } } : {}),
      };
      const prediction = predictTraining(scenario, fittedCosts);
      const steps = Number(values.steps);
      const summary = await train({
        ...shape,
        model,
        data: tokenFile,
        layout,
        precision: 'f32',
        steps,
        learningRate: 3e-4,
        seed: 1,
        pool,
        ...(routing ? { routing } : {}),
      });
      const own = found.get(text)!;
      own.predicted.push(prediction.stepSeconds);
      own.measured.push(lowerQuartile(summary.steps.slice(1).map(({ seconds }) => seconds)));
      const estimates = estimate(stepSettings(scenario), widthsOf(scenario.formats));
      for (const { rank, bytesSent, flops, state, ownBytes, livePeakBytes } of estimates) {
        const counted = summary.ranks[rank]!;
        const sent = summary.bytesSent[rank]!;
        for (const axis of new Set([...Object.keys(sent), ...Object.keys(bytesSent)]) as Set<keyof typeof sent>)
          for (const op of new Set([
            ...Object.keys(sent[axis] ?? {}),
            ...Object.keys(bytesSent[axis] ?? {}),
          ]) as Set<'allReduce'>)
            if ((sent[axis]?.[op] ?? 0) !== steps * (bytesSent[axis]?.[op] ?? 0)) {
              own.exact = false;
              if (round === 1)
                console.log(text, rank, axis, op, sent[axis]?.[op], steps * (bytesSent[axis]?.[op] ?? 0));
            }
        if (counted.flops !== steps * flops) {
          own.exact = false;
          if (round === 1) console.log(text, rank, 'flops', counted.flops, steps * flops);
        }
        const all = state.weights + state.gradients + state.optimizer + ownBytes + livePeakBytes;
        own.memory = all / counted.peakBytes;
      }
      if (process.argv.includes('-v') || round > 0)
        process.stderr.write(
          `${text} ${own.predicted.at(-1)!.toFixed(3)} ${own.measured.at(-1)!.toFixed(3)} ${(own.predicted.at(-1)! / own.measured.at(-1)!).toFixed(3)} comm ${summary.ranks.map((r) => (r.communicationSeconds / steps).toFixed(3)).join(' ')} ${Object.entries(
            prediction.time,
          )
            .filter(([, v]) => v > 0)
            .map(([k, v]) => `${k} ${v.toFixed(3)}`)
            .join(' ')}\n`,
        );
    }
  }
});
await pool.close();
const rows = [...found].map(([layout, { predicted, measured, exact, memory }]) => [
  layout,
  formatSeconds(median(predicted)),
  formatSeconds(median(measured)),
  median(predicted.map((each, i) => each / measured[i]!)).toFixed(3),
  exact ? 'equal' : 'DIFFER',
  memory.toFixed(4),
]);
const head = ['layout', 'predicted', 'measured', 'predicted over measured', 'bytes and FLOPs', 'memory over measured'];
console.log(`${formatTable({ head, rows })}\n`);
const ratioOf = (layout: string): number => {
  const { predicted, measured } = found.get(layout)!;
  return median(predicted.map((each, i) => each / measured[i]!));
};
printVerdicts([
  ...judge(marks.local, ratioOf),
  {
    name: 'layouts with other bytes or FLOPs',
    bounds: marks.localCounts,
    figure: [...found.values()].filter(({ exact }) => !exact).length,
  },
  ...judge(
    Object.fromEntries([...found.keys()].map((layout) => [layout, marks.localMemory])),
    (layout) => found.get(layout)!.memory,
  ).map((verdict) => ({ ...verdict, name: `memory, ${verdict.name}` })),
]);
