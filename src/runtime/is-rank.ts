// Whether this thread runs a rank.
import { workerData } from 'node:worker_threads';

/** What the pool starts its threads with. */
export const rankMark = 'fivefold rank';

/** True in a thread that runs a rank. A module that names itself to `runRanks` is loaded there too, and must start nothing. */
export const isRank: boolean = workerData === rankMark;
