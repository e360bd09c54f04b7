// Values that are computed when they are first asked for.

interface Known<T> {
  computed?: { readonly value: T };
  next?: Map<unknown, Known<T>>;
}

/** Computes once for the same arguments. */
export function once<A extends readonly unknown[], T>(compute: (...args: A) => T): (...args: A) => T {
  const known: Known<T> = {};
  return (...args) => {
    let at = known;
    // Iterators take longer than the rest until this is compiled.
    for (let i = 0; i < args.length; i++) {
      const arg = args[i];
      at.next ??= new Map();
      let next = at.next.get(arg);
      if (!next) {
        next = {};
        at.next.set(arg, next);
      }
      at = next;
    }
    at.computed ??= { value: compute(...args) };
    return at.computed.value;
  };
}

/** What a map has by this key, or is given now. */
export function remember<K, T>(map: Map<K, T>, key: K, make: () => T): T {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
