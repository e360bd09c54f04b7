// A binary heap: what is least comes first.

export interface Heap<T> {
  push(item: T): void;
  /** Takes the least out. */
  pop(): T | undefined;
  readonly size: number;
}

/** `keyOf`: what items are compared by. */
export function createHeap<T>(keyOf: (item: T) => number): Heap<T> {
  const items: T[] = [];
  const keys: number[] = [];
  const swap = (a: number, b: number): void => {
    [items[a], items[b]] = [items[b]!, items[a]!];
    [keys[a], keys[b]] = [keys[b]!, keys[a]!];
  };
  return {
    get size() {
      return items.length;
    },
    push(item) {
      let at = items.push(item) - 1;
      keys.push(keyOf(item));
      for (let above = (at - 1) >> 1; at > 0 && keys[above]! > keys[at]!; above = (at - 1) >> 1) {
        swap(at, above);
        at = above;
      }
    },
    pop() {
      if (items.length === 0) return undefined;
      swap(0, items.length - 1);
      const least = items.pop()!;
      keys.pop();
      let at = 0;
      for (;;) {
        const [left, right] = [2 * at + 1, 2 * at + 2];
        let next = at;
        if (left < items.length && keys[left]! < keys[next]!) next = left;
        if (right < items.length && keys[right]! < keys[next]!) next = right;
        if (next === at) return least;
        swap(at, next);
        at = next;
      }
    },
  };
}
