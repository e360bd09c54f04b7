// Dead-code elimination: the nodes of a program that chosen values need, in their order.
// Splitting a backward into input gradients (B) and weight gradients (W) is two slices of it.
import type { Node, Value } from './program.ts';

export function slice(nodes: readonly Node[], wanted: readonly Value[]): Node[] {
  const needed = new Set(wanted.map((value) => value.id));
  const kept: Node[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output.id))) continue;
    kept.push(node);
    for (const input of node.inputs) needed.add(input.id);
  }
  return kept.reverse();
}
