// What a rank's transport is put together from. A test puts in parts of its own: that record or delay every access, or break a rule.
import type * as collectives from './collectives.ts';
import type { CollectiveEnd, GroupEnd } from './group-end.ts';
import type { Instruments } from './rank-context.ts';

export interface TransportParts extends Instruments {
  /** Stands before a rank's end of a group. */
  readonly end?: (end: GroupEnd) => CollectiveEnd;
  readonly collectives?: Partial<typeof collectives>;
}
