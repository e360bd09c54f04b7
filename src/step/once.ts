/** Computes once for every argument. */
export function once<A, T>(compute: (of: A) => T): (of: A) => T {
  const known = new Map<A, T>();
  return (of) => {
    const found = known.get(of);
    if (found !== undefined) return found;
    const computed = compute(of);
    known.set(of, computed);
    return computed;
  };
}
