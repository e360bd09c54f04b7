// What a kind of link costs a collective, besides its rate and latency: the few numbers that are fitted.

/** A way to move data: those that start soonest carry flags among the data and move them slowest (NCCL's LL, LL128 and Simple). */
export interface Protocol {
  readonly startSeconds: number;
  /** Of the tier's latency, for every hop. */
  readonly perHop: number;
  /** Of the tier's rate. */
  readonly share: number;
}

export interface LinkCost {
  readonly protocols: readonly Protocol[];
  /** Of the time of one hop with a rank's own part: that is copied too. */
  readonly own: number;
  /** The same of an all-to-all. */
  readonly ownExchanged: number;
  /** For every rank that an all-to-all has a message for. */
  readonly peerSeconds: number;
  /** Of the tier's rate, of a large message from one rank to another, and of all that an all-to-all has. */
  readonly sendShare: number;
  readonly exchangeShare: number;
  /** Sums made by the switches (NVLS), where tiers have such. */
  readonly switched?: { readonly startSeconds: number; readonly share: number };
  /** Of the tier's rate that groups of two, three ... ranks have, where no switch joins all: links to the other ranks of the group. */
  readonly shareOfRanks?: readonly number[];
  /** What the numbers are from. */
  readonly source: string;
}
