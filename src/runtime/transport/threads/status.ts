// The words of a rank's status in shared memory, and its states.

/**
 * The heartbeat counter, the state, the site's number, the call's op and group index or peer, and, while the rank sleeps in a call, the
 * rank that it awaits + 1.
 */
export const statusWord = { heartbeat: 0, state: 1, site: 2, op: 3, group: 4, peer: 5, awaits: 6 } as const;
export const statusWords = 7;
export const rankState = { starting: 0, computing: 1, calling: 2, finished: 3 } as const;
