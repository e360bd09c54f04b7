// What a block keeps between its forward and its backward pass, and what it computes anew instead (activation recomputation:
// Chen et al., "Training deep nets with sublinear memory cost", 2016; selective: Korthikanti et al., 2022).
import type { RecomputePolicy } from '../mesh/recompute.ts';
import type { Node, Program, Value } from '../program/program.ts';

/** Whether a node's results are kept rather than computed anew. */
const keeps: Readonly<Record<RecomputePolicy, (node: Node) => boolean>> = {
  none: () => true,
  // Matrix products, attention (also of a rank whose tokens see none of the others': all ranks keep the same), and what other ranks had to send.
  selective: ({ op }) => op.execution.by === 'transport' || op.flops !== undefined,
  full: () => false,
};

/**
 * The values to keep so that `saved` can be had again, and the forward nodes that make the rest of it from them. `given` (the
 * parameters' ids) are there anyway, also under another type: that is no work, and kept it would keep a parameter whole that ZeRO gathers
 * only for a while. Other inputs are always kept.
 */
export function keptFor(
  policy: RecomputePolicy,
  forward: Program,
  saved: readonly Value[],
  given: ReadonlySet<number>,
): { readonly kept: Value[]; readonly again: Node[] } {
  const maker = new Map(forward.nodes.flatMap((node) => node.outputs.map((output) => [output.id, node] as const)));
  const isGiven = ({ id }: Value): boolean => {
    const node = maker.get(id);
    return given.has(id) || (node?.op.execution.by === 'nobody' && isGiven(node.inputs[0]!));
  };
  const kept = new Map<number, Value>();
  const again = new Set<Node>();
  const need = (value: Value): void => {
    if (given.has(value.id) || kept.has(value.id)) return;
    const node = maker.get(value.id);
    if (!node || (keeps[policy](node) && !isGiven(value))) {
      kept.set(value.id, value);
      return;
    }
    if (again.has(node)) return;
    again.add(node);
    node.inputs.forEach(need);
  };
  saved.forEach(need);
  return { kept: [...kept.values()], again: forward.nodes.filter((node) => again.has(node)) };
}
