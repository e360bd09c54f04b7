// Runs a function of the caller's own on ranks, a worker thread each.
import type { AbortSignalLike } from '../abort-signal.ts';
import { fail, option } from '../errors.ts';
import { axes, type Channel, groupsOf, type Mesh, worldGroup, worldSize } from '../mesh/mesh.ts';
import { mostRanks } from '../plan/machine.ts';
import { callback, callFields, checkSettings, real } from '../settings.ts';
import type { TransportPlan } from './transport/transport.ts';
import { runWorld } from './world.ts';
import type { WorldPool } from './world-pool.ts';

/** How ranks run, whatever they do. */
export interface RunOptions {
  /** Threads that are kept for the next run; without one they end with the run. */
  readonly pool?: WorldPool | undefined;
  /** Stops the run: RUN_ABORTED. */
  readonly signal?: AbortSignalLike | undefined;
  /** How long, in seconds, a rank may neither call its transport nor say that it lives (`heartbeat`); 300 when not given. */
  readonly timeoutSeconds?: number | undefined;
}

export interface RanksOptions<Report = unknown> extends RunOptions {
  /** The grid that the ranks stand on: there is a group along each set of its axes. Without one there is that of all ranks. */
  readonly mesh?: Mesh | undefined;
  /** Hears at once what a rank passes to `report`. */
  readonly onReport?: ((rank: number, message: Report) => void) | undefined;
}

const runFields = {
  pool: callFields.pool,
  signal: callFields.signal,
  timeoutSeconds: real({ above: 0, most: 1e6 }, 300),
  onReport: callback,
};

/** There is a channel from each to each other. */
const mostTalking = 64;

/**
 * Calls the module's `rank(transport, job, report)` on as many ranks as there are jobs, rank i with job i, and gives what each returned
 * (or promised) by rank. Each runs in a thread of its own that has loaded the module anew: jobs, reports and results are copied from
 * thread to thread (structured clone). A `transport` has the group of all ranks, `worldGroup(transport.size)`, those of the mesh
 * (`groupOf`), and a channel from each rank to each other.
 *
 * `module` is its address: `import.meta.url` for the caller's own, which then starts nothing where `isRank` is true. One in
 * TypeScript is loaded by Node if it can, or else by the tsx that is installed beside it.
 * @throws OPTION_INVALID for no jobs or a mesh of another size; RANK_FAILED, COLLECTIVE_TIMEOUT, COLLECTIVE_MISMATCH, RUN_ABORTED
 */
export async function runRanks<Result = unknown, Report = unknown>(
  module: string,
  jobs: readonly unknown[],
  { mesh, ...options }: RanksOptions<Report> = {},
): Promise<Result[]> {
  const refuse = (given: string, problem: string, fix: string): never =>
    fail('OPTION_INVALID', { option: given, problem, fix });
  if (!URL.canParse(module))
    refuse('module', `"${module}" is no address`, 'give import.meta.url, or the URL of a file');
  if (!Array.isArray(jobs)) refuse('jobs', 'they are no list', 'give a list, a job for each rank');
  if (jobs.length === 0 || jobs.length > mostTalking)
    refuse('jobs', `there are ${jobs.length}`, `give one for each rank, from 1 to ${mostTalking}`);
  if (mesh) checkMesh(mesh);
  if (mesh && worldSize(mesh) !== jobs.length)
    refuse('jobs', `there are ${jobs.length} for the ${worldSize(mesh)} ranks of the mesh`, 'give one for each rank');
  const groups = mesh ? groupsOf(mesh) : [];
  return (await startRanks(module, jobs, { ...options, groups, channels: channelsOf(jobs.length) })) as Result[];
}

/** Of a mesh that may come from a caller who checks no types. @throws OPTION_INVALID for one without ranks, or with too many */
export function checkMesh(mesh: Mesh): void {
  const refuse = (problem: string, fix: string): never =>
    fail('OPTION_INVALID', { option: option('mesh'), problem, fix });
  for (const axis of axes)
    if (!(Number.isInteger(mesh[axis]) && mesh[axis] >= 1))
      refuse(
        `its ${axis} is ${mesh[axis]}`,
        'give every axis a whole number of at least 1, as { ...oneRank, dp: 4 } does',
      );
  if (worldSize(mesh) > mostRanks) refuse(`it has ${worldSize(mesh)} ranks`, `use at most ${mostRanks}`);
}

interface Started<Report> extends Omit<RanksOptions<Report>, 'mesh'>, Pick<TransportPlan, 'groups' | 'channels'> {}

/** Besides the groups given there is that of all ranks. */
export function startRanks<Report>(
  module: string,
  jobs: readonly unknown[],
  { groups, channels, ...options }: Started<Report>,
): Promise<unknown[]> {
  checkSettings(runFields, { ...options });
  const { pool, signal, timeoutSeconds = 300, onReport } = options;
  const size = jobs.length;
  return runWorld({
    plan: { size, groups: [worldGroup(size), ...groups], channels, timeoutSeconds },
    rankModule: new URL(module),
    jobs,
    ...(pool && { pool }),
    ...(signal && { signal }),
    ...(onReport && { onReport: (rank, message) => onReport(rank, message as Report) }),
  });
}

/** Under way from one rank to another before a send waits: longer messages go through in pieces. */
const underWay = { capacityBytes: 16 * 1024, messages: 64 };

function channelsOf(size: number): Channel[] {
  const ranks = Array.from({ length: size }, (_, rank) => rank);
  return ranks.flatMap((from) => ranks.filter((to) => to !== from).map((to) => ({ from, to, ...underWay })));
}
