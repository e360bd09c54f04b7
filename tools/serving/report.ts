// Errors of predictions on the terminal: of all rows, by kinds of them, and of each.
import type { Row } from '../../src/plan/accuracy/table.ts';
import { isHeldOut, type Judged, type Measured, quantile, requestsOf } from './judged.ts';

const figures = [
  ['token', 'timePerOutputToken'],
  ['rate', 'throughput'],
  ['first', 'timeToFirstToken'],
] as const;

function show(name: string, judged: readonly Judged[]): void {
  const fitting = judged.filter(({ prediction }) => prediction.fits);
  const percent = (share: number) => (100 * share).toFixed(1).padStart(5);
  const told = figures.flatMap(([title, key]) => {
    const errors = fitting.flatMap(({ errors }) => errors[key] ?? []);
    if (errors.length === 0) return [];
    const sizes = errors.map(Math.abs);
    return `${title} ${percent(quantile(sizes, 0.5))} p90 ${percent(quantile(sizes, 0.9))} signed ${percent(quantile(errors, 0.5))}`;
  });
  const none = judged.length - fitting.length;
  const rows = `${String(judged.length).padStart(5)}${none > 0 ? ` (${none} no room)` : ''}`;
  console.log(`${name.padEnd(58)} ${rows}  ${told.join('  ')}`);
}

/** What rows of both tables say of one thing. */
const modelOf = ({ model, model_path: path }: Row): string => model ?? path!.split('/')[1]!;
const engineOf = ({ backend, engine }: Row): string => backend ?? `${engine!.split(' ')[0]} offline`;
const deviceOf = ({ gpu, system }: Row): string => gpu ?? system!;

function loadOf(measured: Measured): string {
  const { isl, osl, backend } = measured.row;
  const [input, output] = [Number(isl), Number(osl)];
  const lengths = input > 2 * output ? 'long prompts' : output > 2 * input ? 'long answers' : 'alike';
  if (backend === undefined) return lengths;
  return `${lengths}, at most ${[8, 32, 128, 512].find((most) => requestsOf(measured) <= most) ?? 'more'}`;
}

const kinds: readonly ((measured: Measured) => string)[] = [
  ({ row }) => engineOf(row),
  ({ row }) => row.mode ?? 'offline',
  ({ row }) => deviceOf(row),
  (measured) => `${engineOf(measured.row)} ${loadOf(measured)}`,
  ({ row }) => `${engineOf(row)} ${modelOf(row)} ${deviceOf(row)} ${row.precision} ${row.mode ?? ''}`,
];

/** Medians, 90th percentiles and signed medians in percent. */
export function report(judged: readonly Judged[]): void {
  show('all', judged);
  for (const table of ['served', 'offline'] as const)
    for (const half of ['fitted', 'held out'] as const)
      show(
        `${table}, ${half}`,
        judged.filter(
          ({ measured }) =>
            isHeldOut(measured) === (half === 'held out') &&
            (measured.row.backend === undefined) === (table === 'offline'),
        ),
      );
  for (const kind of kinds) {
    const groups = new Map<string, Judged[]>();
    for (const each of judged) {
      const name = kind(each.measured);
      groups.set(name, [...(groups.get(name) ?? []), each]);
    }
    for (const [name, group] of [...groups].sort()) show(name, group);
  }
}

const ms = (seconds: number): string => (1e3 * seconds).toFixed(1);
const percent = (share: number): string => (100 * share).toFixed(0);

const errorText = (error: number | undefined): string => (error === undefined ? '-' : percent(error));
const secondsText = (seconds: number | undefined): string => (seconds === undefined ? '-' : ms(seconds));

/** A line for every row, with where an iteration's time goes. */
export function reportRows(judged: readonly Judged[]): void {
  for (const { measured, prediction, errors } of judged) {
    const { row, scenario, measured: was } = measured;
    const { products, experts, attention, other, collectives, overhead, total } = prediction.decodeIteration;
    const { deployment } = scenario;
    const { tp, pp, dp, ep } = (deployment.kind === 'aggregated' ? deployment.pool : deployment.decode).layout;
    console.log(
      [
        `${engineOf(row)} ${modelOf(row)} ${deviceOf(row)} ${row.precision} ${row.mode ?? ''} ${row.isl}x${row.osl} tp${tp} pp${pp} dp${dp} ep${ep} c${requestsOf(measured)}`,
        `errors ${errorText(errors.timePerOutputToken)} ${errorText(errors.throughput)} ${errorText(errors.timeToFirstToken)}`,
        `token ${ms(prediction.secondsPerOutputToken.mean)} of ${secondsText(was.timePerOutputToken)}`,
        `iteration ${ms(total)}: products ${ms(products - experts)} experts ${ms(experts)} attention ${ms(attention)} other ${ms(other)} talk ${ms(collectives)} own ${ms(overhead)}`,
        `running ${prediction.running.toFixed(0)}`,
        `first ${ms(prediction.secondsToFirstToken.mean)} of ${secondsText(was.timeToFirstToken)}`,
        `rate ${prediction.outputTokensPerSecond.toFixed(0)} of ${was.throughput?.toFixed(0) ?? '-'}`,
      ].join(' | '),
    );
  }
}
