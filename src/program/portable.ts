// A traced program as plain data that crosses threads: ops go by their names, values by their numbers.
import type { Node, Op, Program, Trace, Value } from './program.ts';

interface PortableNode {
  readonly op: string;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly attrs: object;
  readonly site: string;
}

/** Structured-cloneable. */
export interface PortableProgram {
  readonly values: readonly Omit<Value, 'trace'>[];
  readonly inputs: Readonly<Record<string, number>>;
  readonly nodes: readonly PortableNode[];
  readonly outputs: Readonly<Record<string, number>>;
}

const mapped = <A, B>(named: Readonly<Record<string, A>>, change: (each: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(named).map(([name, each]) => [name, change(each)]));

export function toPortable({ inputs, nodes, outputs }: Program): PortableProgram {
  const values = new Map<number, Omit<Value, 'trace'>>();
  const idOf = ({ id, shape, dtype, types }: Value): number => {
    values.set(id, { id, shape, dtype, types });
    return id;
  };
  const written = {
    inputs: mapped(inputs, idOf),
    nodes: nodes.map(({ op, attrs, site, ...node }) => ({
      op: op.name,
      inputs: node.inputs.map(idOf),
      outputs: node.outputs.map(idOf),
      attrs,
      site,
    })),
    outputs: mapped(outputs, idOf),
  };
  return { values: [...values.values()], ...written };
}

/** The program again, as one of this trace, which must be new and of the same rank of the same mesh. */
export function fromPortable(program: PortableProgram, trace: Trace, ops: ReadonlyMap<string, Op>): Program {
  const values = new Map(program.values.map((value) => [value.id, { ...value, trace }]));
  const valueAt = (id: number): Value => values.get(id)!;
  trace.nextId = Math.max(-1, ...values.keys()) + 1;
  for (const { op, inputs, outputs, attrs, site } of program.nodes)
    trace.nodes.push({
      op: ops.get(op)!,
      inputs: inputs.map(valueAt),
      outputs: outputs.map(valueAt),
      attrs,
      site,
    } satisfies Node);
  return {
    inputs: mapped(program.inputs, valueAt),
    nodes: [...trace.nodes],
    outputs: mapped(program.outputs, valueAt),
  };
}
