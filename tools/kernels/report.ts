// How far predictions are from what was measured, by GPU, kind of kernel and size.
import type { KernelParameters } from '../../src/plan/cost/kernel-parameters.ts';
import { predict, type Values } from './model.ts';
import { heldOut, type Row } from './rows.ts';

/** Of predicted over measured, less one. */
interface Errors {
  readonly rows: number;
  readonly median: number;
  readonly p90: number;
  readonly signed: number;
}

export function errorsOf(rows: readonly Row[], parameters: KernelParameters, values: Values): Errors | undefined {
  if (rows.length === 0) return undefined;
  const errors = rows.map((row) => predict(parameters, values, row) / row.seconds - 1);
  const sizes = errors.map(Math.abs).sort((a, b) => a - b);
  const signed = [...errors].sort((a, b) => a - b)[errors.length >> 1]!;
  return { rows: rows.length, median: sizes[rows.length >> 1]!, p90: sizes[Math.floor(0.9 * rows.length)]!, signed };
}

const percent = (share: number) => (100 * share).toFixed(1).padStart(6);
export const errorText = (errors: Errors | undefined): string =>
  errors
    ? `${String(errors.rows).padStart(4)} ${percent(errors.median)} ${percent(errors.p90)} ${percent(errors.signed)}`
    : '   -      -      -      -';

/** Columns: rows, median, 90th percentile and signed median in percent; of fitted rows, then of those held out. */
export function printErrors(rows: readonly Row[], parameters: KernelParameters, values: Values): void {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    for (const name of [
      `${row.gpu} ${row.table} ${row.kind}  ${row.size}`,
      `${row.gpu} ${row.table} ${row.kind}`,
      `${row.gpu} ${row.table}`,
    ]) {
      const group = groups.get(name);
      if (group) group.push(row);
      else groups.set(name, [row]);
    }
  }
  for (const [name, group] of [...groups].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [fitted, held] = [false, true].map((side) =>
      errorText(
        errorsOf(
          group.filter((row) => heldOut(row) === side),
          parameters,
          values,
        ),
      ),
    );
    console.log(`${name.padEnd(52)} ${fitted}  | ${held}`);
  }
}

/** Of a GPU that nothing was fitted to, nor to how it was measured. */
export function printUnseen(gpu: string, rows: readonly Row[], parameters: KernelParameters): void {
  for (const table of ['gemm', 'attention', 'moe']) {
    const errors = errorsOf(
      rows.filter((row) => row.table === table),
      parameters,
      {},
    );
    console.log(`${`unseen ${gpu} ${table}`.padEnd(52)} ${errorText(errors)}`);
  }
}
