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
  const put = (at: number, item: T, key: number): void => {
    items[at] = item;
    keys[at] = key;
  };
  return {
    get size() {
      return items.length;
    },
    push(item) {
      const key = keyOf(item);
      let at = items.length;
      // What is above and more moves down.
      for (let above = (at - 1) >> 1; at > 0 && keys[above]! > key; above = (at - 1) >> 1) {
        put(at, items[above]!, keys[above]!);
        at = above;
      }
      put(at, item, key);
    },
    pop() {
      const least = items[0];
      const item = items.pop();
      const key = keys.pop();
      if (items.length === 0) return least;
      let at = 0;
      // What is below and less moves up.
      for (;;) {
        let next = 2 * at + 1;
        if (next + 1 < items.length && keys[next + 1]! < keys[next]!) next += 1;
        if (next >= items.length || keys[next]! >= key!) break;
        put(at, items[next]!, keys[next]!);
        at = next;
      }
      put(at, item!, key!);
      return least;
    },
  };
}
