// Errors of predictions on the terminal: of all rows, by kinds of them, and of each.
import type { Row } from '../../src/plan/accuracy/table.ts';
import { isHeldOut, type Judged, quantile } from './judged.ts';

const figures = [
  ['token', 'perToken'],
  ['rate', 'throughput'],
  ['first', 'first'],
] as const;

function show(name: string, judged: readonly Judged[]): void {
  const fitting = judged.filter(({ prediction }) => prediction.fits);
  const percent = (share: number) => (100 * share).toFixed(1).padStart(5);
  const told = figures.map(([title, key]) => {
    const errors = fitting.map((each) => each[key]);
    const sizes = errors.map(Math.abs);
    return `${title} ${percent(quantile(sizes, 0.5))} p90 ${percent(quantile(sizes, 0.9))} signed ${percent(quantile(errors, 0.5))}`;
  });
  const none = judged.length - fitting.length;
  const rows = `${String(judged.length).padStart(5)}${none > 0 ? ` (${none} no room)` : ''}`;
  console.log(`${name.padEnd(58)} ${rows}  ${told.join('  ')}`);
}

const loadOf = ({ isl, osl, concurrency }: Row): string => {
  const [input, output] = [Number(isl), Number(osl)];
  const lengths = input > 2 * output ? 'long prompts' : output > 2 * input ? 'long answers' : 'alike';
  return `${lengths}, at most ${[8, 32, 128, 512].find((most) => Number(concurrency) <= most) ?? 'more'}`;
};

const kinds: readonly ((row: Row) => string)[] = [
  (row) => row.backend!,
  (row) => row.mode!,
  (row) => row.system!,
  (row) => `${row.backend} ${loadOf(row)}`,
  (row) => `${row.backend} ${row.model_path!.split('/')[1]} ${row.system} ${row.precision} ${row.mode}`,
];

/** Medians, 90th percentiles and signed medians in percent. */
export function report(judged: readonly Judged[]): void {
  show('all', judged);
  for (const [name, held] of [
    ['fitted', false],
    ['held out', true],
  ] as const) {
    show(
      name,
      judged.filter(({ measured }) => isHeldOut(measured) === held),
    );
  }
  for (const kind of kinds) {
    const groups = new Map<string, Judged[]>();
    for (const each of judged) {
      const name = kind(each.measured.row);
      groups.set(name, [...(groups.get(name) ?? []), each]);
    }
    for (const [name, group] of [...groups].sort()) show(name, group);
  }
}

const ms = (seconds: number): string => (1e3 * seconds).toFixed(1);
const percent = (share: number): string => (100 * share).toFixed(0);

/** A line for every row, with where an iteration's time goes. */
export function reportRows(judged: readonly Judged[]): void {
  for (const { measured, prediction, perToken, throughput, first } of judged) {
    const { row, scenario } = measured;
    const { products, experts, attention, other, collectives, overhead, total } = prediction.decodeIteration;
    const { deployment } = scenario;
    const { tp, dp, ep } = (deployment.kind === 'aggregated' ? deployment.pool : deployment.decode).layout;
    console.log(
      [
        `${row.backend} ${row.model_path!.split('/')[1]} ${row.system} ${row.precision} ${row.mode} ${row.isl}x${row.osl} tp${tp} dp${dp} ep${ep} c${row.concurrency}`,
        `errors ${percent(perToken)} ${percent(throughput)} ${percent(first)}`,
        `token ${ms(prediction.secondsPerOutputToken.mean)} of ${ms(measured.secondsPerOutputToken)}`,
        `iteration ${ms(total)}: products ${ms(products - experts)} experts ${ms(experts)} attention ${ms(attention)} other ${ms(other)} talk ${ms(collectives)} own ${ms(overhead)}`,
        `running ${prediction.running.toFixed(0)}`,
        `first ${ms(prediction.secondsToFirstToken.mean)} of ${ms(measured.secondsToFirstToken)}`,
      ].join(' | '),
    );
  }
}
