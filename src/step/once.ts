// Values that are computed when they are first asked for.

interface Known<T> {
  computed?: { readonly value: T };
  readonly next: Map<unknown, Known<T>>;
}

/** Computes once for the same arguments. */
export function once<A extends readonly unknown[], T>(compute: (...args: A) => T): (...args: A) => T {
  const known: Known<T> = { next: new Map() };
  return (...args) => {
    let at = known;
    for (const arg of args) {
      const next = at.next.get(arg) ?? { next: new Map() };
      at.next.set(arg, next);
      at = next;
    }
    at.computed ??= { value: compute(...args) };
    return at.computed.value;
  };
}
