// Which ranks share a host, as groups: an all-to-all over several hosts goes first among members of one host, then among members of one place.
//
//                place 0   place 1
//   host 0       rank 0 ── rank 1      within a host
//                  │          │
//   host 1       rank 2 ── rank 3      across hosts, those of one place
import { type Group, groupKey } from '../../../mesh/mesh.ts';
import type { TransportPlan } from '../transport.ts';

/** Members of a group (by their number in it) by host, then by their place there. */
export type HostMembers = readonly (readonly number[])[];

/** Undefined where two steps are none better than one: on one host, with one member on each, or with not as many on each. */
export function membersByHost({ ranks }: Group, hosts: TransportPlan['hosts']): HostMembers | undefined {
  if (!hosts) return undefined;
  const byHost = new Map<number, number[]>();
  for (const [member, rank] of ranks.entries()) {
    const host = hosts.findIndex((those) => those.includes(rank));
    if (host < 0) throw new Error(`rank ${rank} is on none of the plan's hosts`);
    byHost.set(host, [...(byHost.get(host) ?? []), member]);
  }
  const members = [...byHost.values()];
  const places = members[0]?.length ?? 0;
  return members.length > 1 && places > 1 && members.every(({ length }) => length === places) ? members : undefined;
}

const part = ({ axis, ranks }: Group, members: readonly number[]): Group => ({
  axis,
  ranks: members.map((member) => ranks[member]!),
});

/** The members of each host. */
export const groupsWithin = (group: Group, members: HostMembers): Group[] => members.map((host) => part(group, host));

/** The members of each place. */
export const groupsAcross = (group: Group, members: HostMembers): Group[] =>
  members[0]!.map((_, place) =>
    part(
      group,
      members.map((host) => host[place]!),
    ),
  );

/** The plan with those groups too, each once. */
export function withHostGroups(plan: TransportPlan): TransportPlan {
  const groups = new Map(plan.groups.map((group) => [groupKey(group), group]));
  for (const group of plan.groups) {
    const members = membersByHost(group, plan.hosts);
    if (!members) continue;
    for (const added of [...groupsWithin(group, members), ...groupsAcross(group, members)])
      if (!groups.has(groupKey(added))) groups.set(groupKey(added), added);
  }
  return groups.size === plan.groups.length ? plan : { ...plan, groups: [...groups.values()] };
}
