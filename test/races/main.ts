// `npm run races`: every pair and triple of calls, and every fault; some minutes. Exit status 1 if a race is found or a fault is not.
import { formatTable } from '../../src/cli/ui/table.ts';
import { createPool } from '../../src/runtime/world-pool.ts';
import {
  inGroupsOfGroups,
  inOneGroup,
  messagesInTurns,
  type Outcome,
  onRegistered,
  overHosts,
  run,
  withOwnLimits,
} from './campaign.ts';
import { faultNames } from './faults.ts';
import { findFault } from './find-fault.ts';

const pool = createPool();
const parts = [
  ...[2, 3, 4].flatMap((size) => [inOneGroup(size, 2), inOneGroup(size, 3)]),
  ...[2, 3, 4].flatMap((size) => [onRegistered(size, 2), onRegistered(size, 3)]),
  ...inGroupsOfGroups(2),
  ...inGroupsOfGroups(3),
  overHosts(2),
  overHosts(3),
  withOwnLimits(2),
  withOwnLimits(4),
  messagesInTurns(3, 60),
];
const outcomes: Outcome[] = [];
for (const part of parts) {
  process.stderr.write(`${part.name}, ${part.order === 2 ? 'pairs' : 'triples'} ...\n`);
  outcomes.push(await run(part, pool));
}
const rows = outcomes.map(({ name, order, tuples, calls, accesses, races, problems }) =>
  [name, `${tuples} ${order === 2 ? 'pairs' : 'triples'}`, calls, accesses, races.length, problems.length].map(String),
);
console.log(
  formatTable({
    head: ['sequences', 'ordered', 'calls', 'accesses', 'races', 'wrong'],
    rows,
    align: [undefined, 'right', 'right', 'right', 'right', 'right'],
  }),
);
const bad = outcomes.flatMap(({ races, problems }) => [...races, ...problems]);
for (const line of bad.slice(0, 20)) console.log(line);

console.log('\nDeliberate faults, and what is reported of each:');
let missed = 0;
for (const name of faultNames) {
  const { found, others } = await findFault(name, pool);
  if (found === undefined) missed++;
  console.log(`- ${name}\n    ${found ?? `NOT FOUND; ${others} other races`}`);
}
console.log(`${faultNames.length - missed} of ${faultNames.length} faults found`);
await pool.close();
process.exitCode = bad.length > 0 || missed > 0 ? 1 : 0;
