// Sequences of calls in which everything follows everything.

/**
 * A shortest sequence of the symbols 0 .. symbols - 1 that holds every ordered `order`-tuple (de Bruijn, from Lyndon words), with its
 * beginning repeated at its end, cut into pieces that overlap so that no tuple is lost.
 */
export function everyTuple(symbols: number, order: number, pieceLength = Number.POSITIVE_INFINITY): number[][] {
  const word = new Array<number>(order + 1).fill(0);
  const cycle: number[] = [];
  const grow = (length: number, period: number): void => {
    if (length > order) {
      if (order % period === 0) cycle.push(...word.slice(1, period + 1));
      return;
    }
    word[length] = word[length - period]!;
    grow(length + 1, period);
    for (let symbol = word[length - period]! + 1; symbol < symbols; symbol++) {
      word[length] = symbol;
      grow(length + 1, length);
    }
  };
  grow(1, 1);
  const whole = [...cycle, ...cycle.slice(0, order - 1)];
  const pieces: number[][] = [];
  for (let start = 0; start < cycle.length; start += pieceLength)
    pieces.push(whole.slice(start, start + pieceLength + order - 1));
  return pieces;
}

/** How many different ordered tuples of neighbours the pieces hold. */
export function tuplesIn(pieces: readonly (readonly number[])[], order: number): number {
  const seen = new Set<string>();
  for (const piece of pieces)
    for (let at = 0; at + order <= piece.length; at++) seen.add(piece.slice(at, at + order).join());
  return seen.size;
}
