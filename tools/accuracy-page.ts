// Judges the planner on tables of measurements, as `fivefold accuracy` does, and writes docs/accuracy.md:
//
//   npx tsx tools/accuracy-page.ts <folder of tables>
//
// Of each table the page has its figures and the rows that are furthest off, with their sources.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { figuresOf, type JudgedRow, type ServingMetric, servingMetrics } from '../src/plan/accuracy/figures.ts';
import { firstThatFits, judge } from '../src/plan/accuracy/judge.ts';
import { predictors } from '../src/plan/accuracy/predictors.ts';
import { frameworkOf } from '../src/plan/accuracy/row-facts.ts';
import { parseTable, type Row, type TableKind } from '../src/plan/accuracy/table.ts';
import { trainingCase } from '../src/plan/accuracy/training-row.ts';
import { parseSoftware, tuned } from '../src/plan/software/parse-software.ts';
import { intervalsOf } from '../src/plan/training/interval.ts';
import { formatCount, formatPercent, formatSeconds } from '../src/units.ts';
import { withSoftware } from './with-software.ts';

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error('usage: npx tsx tools/accuracy-page.ts <folder of tables>');
  process.exit(2);
}

/** Of each table. */
const rowsShown = 5;

interface Judged {
  readonly name: string;
  readonly kind: TableKind;
  /** Each with the row of the table. */
  readonly rows: readonly (JudgedRow & { readonly of: Row })[];
}

const judged = readdirSync(folder)
  .filter((name) => name.endsWith('.csv'))
  .toSorted()
  .map((name): Judged => {
    process.stderr.write(`${name}\n`);
    const table = parseTable(basename(name, '.csv'), readFileSync(join(folder, name), 'utf8'));
    const rows = [...judge(table, predictors)].map((row, index) => ({ ...row, of: table.rows[index]! }));
    return { name: table.name, kind: table.kind, rows };
  })
  .filter(({ kind }) => kind !== 'operators');

const share = (value: number | null): string => (value === null ? '' : formatPercent(value));
const signed = (value: number | null): string =>
  value === null ? '' : `${value < 0 ? '−' : '+'}${formatPercent(Math.abs(value))}`;
/** Bars would end a cell. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replace(/\s+/g, ' ').trim();
const lines = (rows: readonly (readonly string[])[]): string =>
  rows.map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n');
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  `${lines([head, head.map(() => '---')])}\n${lines(rows)}`;

const isServing = ({ kind }: Judged): boolean => kind !== 'training';

function figuresTable(tables: readonly Judged[]): string {
  const lineOf = (name: string, rows: readonly JudgedRow[]): string[] => {
    const of = figuresOf(rows);
    return [
      name,
      `${of.rows}`,
      `${of.predicted}`,
      share(of.medianError),
      share(of.meanError),
      share(of.p90Error),
      signed(of.signedError),
      share(of.memoryMeanError),
      share(of.fitsRight),
      share(of.regretMean),
    ];
  };
  return table(
    ['table', 'rows', 'predicted', 'median', 'mean', 'p90', 'signed', 'memory', 'fits right', 'regret'],
    [
      ...tables.map(({ name, rows }) => lineOf(name, rows)),
      lineOf(
        'all',
        tables.flatMap(({ rows }) => rows),
      ),
    ],
  );
}

const metricNames: Readonly<Record<ServingMetric, string>> = {
  timeToFirstToken: 'time to first token',
  timePerOutputToken: 'time per output token',
  throughput: 'output tokens a second',
};

/** Figures of served requests, one metric a line. */
function metricsTable(tables: readonly Judged[]): string {
  const found = tables.flatMap(({ name, rows }) => {
    const figures = figuresOf(rows).byMetric ?? {};
    return servingMetrics.flatMap((metric) => {
      const of = figures[metric];
      if (!of) return [];
      const shares = [of.medianError, of.meanError, of.p90Error].map(share);
      return [[name, metricNames[metric], `${of.rows}`, ...shares, signed(of.signedError)]];
    });
  });
  return table(['table', 'metric', 'rows', 'median', 'mean', 'p90', 'signed'], found);
}

const wordsOf = (row: Row, columns: readonly string[], between: string): string =>
  columns
    .map((column) => row[column] ?? '')
    .filter((words) => words !== '')
    .join(between);

/** What ran on what: a model, devices, and how the model was laid out. */
function runOf(row: Row): string {
  const axes = ['tp', 'pp', 'cp', 'ep', 'dp'].flatMap((axis) =>
    Number(row[axis] ?? 1) > 1 ? [`${axis}=${row[axis]}`] : [],
  );
  const lengths = [row.isl && `${row.isl} tokens in`, row.osl && `${row.osl} out`].filter(Boolean);
  const model = wordsOf(row, ['model', 'model_path'], ' ');
  const parts = [model, wordsOf(row, ['num_gpus', 'gpu', 'system'], ' × '), ...axes, ...lengths];
  return parts.filter((part) => part !== '').join(', ');
}

const quantity = (figure: string, value: number): string =>
  figure.startsWith('seconds') ? formatSeconds(value) : `${formatCount(value)}/s`;

/** A path in another project's repository, written so that it reads as none of this one's. */
const sourceOf = (source: string): string =>
  source.replace(/ (?=(?:src|test|tools|bench|examples|docs|bin)\/)/g, ' ./');

function furthestOff(tables: readonly Judged[]): string {
  const worst = tables.flatMap(({ rows }) =>
    rows
      .filter(({ error }) => error !== undefined)
      .toSorted((a, b) => Math.abs(b.error!) - Math.abs(a.error!))
      .slice(0, rowsShown),
  );
  return table(
    ['row', 'run', 'predicted', 'measured', 'error', 'source'],
    worst
      .toSorted((a, b) => Math.abs(b.error!) - Math.abs(a.error!))
      .map(({ id, of, figure, predicted, measured, error, source }) => [
        id,
        runOf(of),
        quantity(figure!, predicted!),
        quantity(figure!, measured!),
        signed(error!),
        sourceOf(source),
      ]),
  );
}

function furthestOffMemory(tables: readonly Judged[]): string {
  const rows = tables.flatMap(({ rows }) => rows.filter(({ memory }) => memory !== undefined));
  const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  return table(
    ['row', 'run', 'predicted', 'measured', 'error', 'source'],
    rows
      .toSorted((a, b) => Math.abs(b.memory!.error) - Math.abs(a.memory!.error))
      .slice(0, 2 * rowsShown)
      .map(({ id, of, memory, source }) => [
        id,
        runOf(of),
        gibibytes(memory!.predicted),
        gibibytes(memory!.measured),
        signed(memory!.error),
        sourceOf(source),
      ]),
  );
}

function notPredicted(tables: readonly Judged[]): string {
  const counts = new Map<string, number>();
  for (const { name, rows } of tables)
    for (const { skipped } of rows)
      if (skipped !== undefined) {
        const key = JSON.stringify([name, skipped]);
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
  const found = [...counts].toSorted(([, a], [, b]) => b - a);
  return table(
    ['table', 'rows', 'why'],
    found.map(([key, count]) => {
      const [name, why] = JSON.parse(key) as [string, string];
      return [name, `${count}`, why];
    }),
  );
}

/** Of rows whose framework a user can name: how they are predicted who know no more of software than that name, or take a tuned stack. */
function namedAlone(tables: readonly Judged[]): string {
  const rows = tables.flatMap(({ rows }) => rows.map(({ of }) => of).filter((row) => frameworkOf(row) !== undefined));
  const sums = [rows.map((row) => frameworkOf(row)!), rows.map(() => tuned)].map((names) => {
    let [timed, error, within] = [0, 0, 0];
    for (const [i, row] of rows.entries()) {
      const found = trainingCase(row);
      if (typeof found === 'string' || found.measured.stepSeconds === undefined) continue;
      const software = parseSoftware(names[i]!, 'software');
      const scenarios = found.scenarios.map((each) => withSoftware(each, software));
      const { scenario, prediction } = firstThatFits(scenarios, predictors.training);
      const [low, high] = intervalsOf(scenario, prediction).stepSeconds;
      const { stepSeconds } = found.measured;
      timed += 1;
      error += Math.abs(prediction.stepSeconds / stepSeconds - 1);
      within += stepSeconds >= low && stepSeconds <= high ? 1 : 0;
    }
    return { timed, error: error / timed, within: within / timed };
  });
  const [named, anonymous] = [sums[0]!, sums[1]!];
  return `Of the ${named.timed} timed rows whose framework has such a name, the name alone makes the mean error ${formatPercent(named.error)} and the interval hold ${formatPercent(named.within)}; a tuned stack ${formatPercent(anonymous.error)} and ${formatPercent(anonymous.within)}.`;
}

const training = judged.filter((of) => !isServing(of));
const serving = judged.filter(isServing);

const page = `# How far off predictions are

Written by \`npx tsx tools/accuracy-page.ts <folder of tables>\`: what the planner predicts of runs that others have published, beside what they
measured. \`fivefold accuracy <csv...>\` says the same of any tables, rows of your own included. Every row is predicted from what it says
of its model, devices, layout and software, by one set of constants for all.

What these figures do not prove: constants of training were set by hand while looking at all of these tables, so none of them is held out; those of kernels,
collectives and serving were fitted to halves. Some software and some links stand in one or two tables alone, and what they do was set there: gathers tensor by tensor
in ZeRO 3 of 2021 (four rows of megatron-sc21), waits of tensor-parallel ranks for each other (vtrain), Omni-Path and kernels that are awaited one by one (bigscience),
what a launch of an expert's product costs (nemo-bridge, moe-training, dgxc-benchmarking), caches of 16 bits that TensorRT-LLM keeps of mixtures on Hopper
(inference-trtllm), how unevenly routers choose (two runs of moe-training). Most runs fit: how often it is predicted rightly that one does not is in the tables' rows.

Rows are predicted with the software they name; \`predict\` and \`plan\` take that of a well tuned stack, or a framework's by name (\`--software\`). ${namedAlone(training)}

The regret of vtrain is nearly all of two of its 32 kinds of layers on one node, hidden 2048 with tp=4 and two sequences and hidden 1024 with tp=2 and four: each was measured faster than
with half the sequences, which nothing predicted here explains.

Errors are shares of what was measured; signed ones are means with the sign, + where more was predicted. Memory: the mean error where a source
gives an exact reading. Fits right: how often it was predicted rightly whether a run fits in memory. Regret: how much slower the layout
predicted to be the fastest is than the fastest, among runs of the same model, devices and batch. The same run repeated on another release of the
same software differs by 4 % in the median.

## Training

Seconds a step.

${figuresTable(training)}

## Serving

Seconds an output token, or output tokens a second where those alone are published.

${figuresTable(serving)}

By what was measured. Where a row gives the requests under way and both times, throughput follows from them (Little's law).

${metricsTable(serving)}

## Furthest off

The ${rowsShown} worst of each table.

${furthestOff(judged)}

## Furthest off in memory

${furthestOffMemory(training)}

## Not predicted

${notPredicted(judged)}
`;

writeFileSync(fileURLToPath(new URL('../docs/accuracy.md', import.meta.url)), page);
