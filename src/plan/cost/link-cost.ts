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
  /** Of the tier's rate, of one message from one rank to another. */
  readonly sendShare: number;
  /** Sums made by the switches (NVLS), where tiers have such. */
  readonly switched?: { readonly startSeconds: number; readonly share: number };
  /** Ranks that a rank has links of its own to, and no switch: a group that has fewer others has as many fewer links. */
  readonly meshPeers?: number;
  /** What the numbers are from. */
  readonly source: string;
}
