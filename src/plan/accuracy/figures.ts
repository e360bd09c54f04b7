// How far predictions are from measurements: of rows, of tables, and what a chosen layout loses.

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
  /** Of the seconds to the first token, where those are measured too. */
  readonly firstTokenError?: number;
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
}

export function figuresOf(rows: readonly JudgedRow[]): Figures {
  const judged = rows.filter(({ skipped }) => skipped === undefined);
  const signed = judged.flatMap(({ error }) => (error === undefined ? [] : [error]));
  const errors = signed.map(Math.abs).sort((a, b) => a - b);
  const memory = judged.flatMap((row) => (row.memory ? [Math.abs(row.memory.error)] : []));
  const verdicts = judged.flatMap(({ fits }) => (fits ? [fits.predicted === fits.measured ? 1 : 0] : []));
  return {
    rows: rows.length,
    predicted: judged.length,
    skipped: rows.length - judged.length,
    medianError: quantile(errors, 0.5),
    meanError: mean(errors),
    p90Error: quantile(errors, 0.9),
    signedError: mean(signed),
    memoryMeanError: mean(memory),
    fitsRight: mean(verdicts),
    regretMean: mean(regrets(judged).map(({ regret }) => regret)),
  };
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
