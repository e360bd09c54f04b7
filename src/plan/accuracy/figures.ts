// How far predictions are from measurements: of rows, of tables, and what a chosen layout loses.

/** What is measured of served requests: seconds to the first token, seconds of each one after it, output tokens a second. */
export const servingMetrics = ['timeToFirstToken', 'timePerOutputToken', 'throughput'] as const;
export type ServingMetric = (typeof servingMetrics)[number];

/** A row, judged or not; errors are shares of what was measured, above 0 where more was predicted. */
export interface JudgedRow {
  readonly id: string;
  /** Why it was not predicted; all else but `source` is then not there. */
  readonly skipped?: string;
  /** What the first error is of. */
  readonly figure?: string;
  readonly predicted?: number;
  readonly measured?: number;
  /** Of {@link predicted}. */
  readonly error?: number;
  /** Of served requests, by what was measured of them. */
  readonly metricErrors?: Readonly<Partial<Record<ServingMetric, number>>>;
  readonly memory?: { readonly predicted: number; readonly measured: number; readonly error: number };
  /** Whether it fits, as predicted and as it was. */
  readonly fits?: { readonly predicted: boolean; readonly measured: boolean };
  /** Rows of the same model, devices and batch, among which the best is looked for. */
  readonly group?: string;
  /** Rows that are alike in all that is predicted. */
  readonly alike?: string;
  readonly assumed?: readonly string[];
  readonly source: string;
}

/** The figures of some rows, errors as shares; null where no row has any. */
export interface Figures {
  readonly rows: number;
  readonly predicted: number;
  readonly skipped: number;
  readonly medianError: number | null;
  readonly meanError: number | null;
  readonly p90Error: number | null;
  /** Mean of errors with their sign. */
  readonly signedError: number | null;
  readonly memoryMeanError: number | null;
  /** Share of verdicts, fits or does not, that are right. */
  readonly fitsRight: number | null;
  /** How much slower the layout predicted to be the fastest is than the fastest, on average over groups. */
  readonly regretMean: number | null;
  /** The same errors for each metric of served requests; null where none is measured. */
  readonly byMetric: Readonly<Partial<Record<ServingMetric, ErrorFigures>>> | null;
}

/** Of the errors of some rows. */
export interface ErrorFigures {
  readonly rows: number;
  readonly medianError: number | null;
  readonly meanError: number | null;
  readonly p90Error: number | null;
  readonly signedError: number | null;
}

export function figuresOf(rows: readonly JudgedRow[]): Figures {
  const judged = rows.filter(({ skipped }) => skipped === undefined);
  const { rows: _, ...errors } = errorsOf(judged.flatMap(({ error }) => error ?? []));
  const memory = judged.flatMap((row) => (row.memory ? [Math.abs(row.memory.error)] : []));
  const verdicts = judged.flatMap(({ fits }) => (fits ? [fits.predicted === fits.measured ? 1 : 0] : []));
  return {
    rows: rows.length,
    predicted: judged.length,
    skipped: rows.length - judged.length,
    ...errors,
    memoryMeanError: mean(memory),
    fitsRight: mean(verdicts),
    regretMean: mean(regrets(judged).map(({ regret }) => regret)),
    byMetric: metricFigures(judged),
  };
}

function errorsOf(signed: readonly number[]): ErrorFigures {
  const errors = signed.map(Math.abs).sort((a, b) => a - b);
  return {
    rows: signed.length,
    medianError: quantile(errors, 0.5),
    meanError: mean(errors),
    p90Error: quantile(errors, 0.9),
    signedError: mean(signed),
  };
}

function metricFigures(rows: readonly JudgedRow[]): Figures['byMetric'] {
  const measured = servingMetrics.flatMap((metric) => {
    const errors = rows.flatMap(({ metricErrors }) => metricErrors?.[metric] ?? []);
    return errors.length === 0 ? [] : [[metric, errorsOf(errors)] as const];
  });
  return measured.length === 0 ? null : Object.fromEntries(measured);
}

const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;

/** Of sorted values, between neighbours by distance. */
export function quantile(sorted: readonly number[], share: number): number | null {
  if (sorted.length === 0) return null;
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)]!;
  return below + (sorted[Math.ceil(at)]! - below) * (at - Math.floor(at));
}

export interface Regret {
  readonly group: string;
  /** How much slower, as a share: 0 where the best was chosen. */
  readonly regret: number;
  readonly layouts: number;
}

/**
 * What choosing by prediction loses in each group of two or more different layouts that ran. Rows that are alike are one layout, which took what
 * they took on average.
 */
export function regrets(rows: readonly JudgedRow[]): Regret[] {
  const groups = new Map<string, Map<string, JudgedRow[]>>();
  for (const row of rows) {
    const { group, alike, predicted, measured } = row;
    if (group === undefined || alike === undefined || predicted === undefined || measured === undefined) continue;
    const layouts = groups.get(group) ?? new Map<string, JudgedRow[]>();
    layouts.set(alike, [...(layouts.get(alike) ?? []), row]);
    groups.set(group, layouts);
  }
  return [...groups].flatMap(([group, layouts]) => {
    if (layouts.size < 2) return [];
    const each = [...layouts.values()].map((same) => ({
      predicted: same[0]!.predicted!,
      measured: mean(same.map((row) => row.measured!))!,
    }));
    const chosen = each.reduce((best, layout) => (layout.predicted < best.predicted ? layout : best));
    const fastest = Math.min(...each.map(({ measured }) => measured));
    return [{ group, regret: chosen.measured / fastest - 1, layouts: layouts.size }];
  });
}
