// A program as stable text: one node a line, values numbered in order of appearance, types on the axes that have several ranks.

import type { Node, Program, Value } from './program.ts';
import { printTypes } from './types.ts';

/** Attributes that are numbers, texts, true or axes are shown. */
export function print(program: Program): string {
  const names = new Map<number, string>();
  const nameOf = (value: Value): string => {
    const known = names.get(value.id);
    if (known) return known;
    const name = `%${names.size}`;
    names.set(value.id, name);
    return name;
  };
  const typed = (value: Value): string => {
    const types = printTypes(value.types);
    return `[${value.shape.join(', ')}]${value.dtype === 'float' ? '' : ` ${value.dtype}`}${types ? ` {${types}}` : ''}`;
  };
  const line = (node: Node): string => {
    const attrs = Object.entries(node.attrs)
      .map(([key, value]) => [key, key === 'axes' ? (value as readonly string[]).join('+') : value] as const)
      .filter(([, value]) => typeof value === 'number' || value === true || (typeof value === 'string' && value !== ''))
      .map(([key, value]) => (value === true ? key : `${key}=${value}`));
    const call = `${node.op.name}(${[...node.inputs.map(nameOf), ...attrs].join(', ')})`;
    const results = node.outputs.map((output) => `${nameOf(output)} ${typed(output)}`);
    return `  ${results.join(', ')} = ${call}${node.site ? `  # ${node.site}` : ''}`;
  };
  return [
    ...Object.entries(program.inputs).map(([name, value]) => `in ${nameOf(value)} ${typed(value)}  ${name}`),
    ...program.nodes.map(line),
    ...Object.entries(program.outputs).map(([name, value]) => `out ${nameOf(value)}  ${name}`),
  ].join('\n');
}
