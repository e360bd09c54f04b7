// The least of a function of positive numbers, one of them moved at a time: by ever smaller factors, until none helps.

/** Again from where it ended, with large steps, until that gains less than a thousandth. `bounds`: of the numbers that are moved. */
export function coordinateSearch(
  start: Readonly<Record<string, number>>,
  bounds: Readonly<Record<string, readonly [number, number]>>,
  loss: (values: Readonly<Record<string, number>>) => number,
): Record<string, number> {
  let values = { ...start };
  for (let before = Number.POSITIVE_INFINITY, now = loss(values); now < 0.999 * before; ) {
    before = now;
    values = descend(values, bounds, loss);
    now = loss(values);
  }
  return values;
}

function descend(
  start: Readonly<Record<string, number>>,
  bounds: Readonly<Record<string, readonly [number, number]>>,
  loss: (values: Readonly<Record<string, number>>) => number,
): Record<string, number> {
  const values = { ...start };
  let least = loss(values);
  for (let factor = 1.5; factor > 1.004; factor = factor ** 0.6) {
    for (let moved = true, round = 0; moved && round < 12; round++) {
      moved = false;
      for (const [name, [low, high]] of Object.entries(bounds)) {
        for (const step of [factor, 1 / factor]) {
          const before = values[name]!;
          const after = Math.min(high, Math.max(low, before * step));
          if (after === before) continue;
          values[name] = after;
          const now = loss(values);
          if (now < least - 1e-9) {
            least = now;
            moved = true;
            break;
          }
          values[name] = before;
        }
      }
    }
  }
  return values;
}
