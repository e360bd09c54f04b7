// Ops on rows of which only the first ones are there: how many is counted when the program runs, and memory is laid out for the most there can be.
import type { BlockLoop, BlockMemory, Kernel, Node, Numbers, Op, TensorShape } from './program.ts';
import { elements } from './program.ts';
import type { Typing } from './types.ts';

const versions = new WeakMap<Op, Op>();

/**
 * The version of a `rowwise` op that has one operand more, counts whose sum is the number of rows (dim 1 of [1, rows, ..]) that there are, and
 * works on these alone; what lies behind them in its results is not written.
 */
export function onCountedRows(op: Op): Op {
  const known = versions.get(op);
  if (known) return known;
  const made: Op = {
    name: countedName(op),
    shape: (inputs, attrs) => op.shape(inputs.slice(0, -1), attrs),
    typing: (inputs, attrs) => withCounts(typingOf(op, inputs.slice(0, -1), attrs)),
    ...(op.vjp && {
      vjp: ({ node, gradients }) => [
        ...op.vjp!({ node: { ...node, op, inputs: node.inputs.slice(0, -1) }, gradients }),
        undefined,
      ],
    }),
    ...(op.differentiable ? { differentiable: op.differentiable } : {}),
    execution: { by: 'blocks', ...loopOf(op) },
    reference: (inputs, attrs) => op.reference!(inputs.slice(0, -1), attrs),
  };
  versions.set(op, made);
  return made;
}

export const countedName = ({ name }: Op): string => `${name} of counted rows`;

const typingOf = ({ typing }: Op, inputs: readonly TensorShape[], attrs: object): Typing =>
  typeof typing === 'function' ? typing(inputs, attrs) : typing!;

function withCounts(typing: Typing): Typing {
  const [operands, results] = typing.dims.split('->') as [string, string];
  const given = operands.split(',').map((labels) => labels.trim().split(/\s+/));
  const all = Array.from(given.keys());
  // Counts are of a rank's own rows.
  const whole = given.map((labels) =>
    labels.map((label, dim) => (dim < 2 && !label.endsWith('!') ? `${label}!` : label)),
  );
  return {
    ...typing,
    dims: `${whole.map((labels) => labels.join(' ')).join(', ')}, 1 1 1 -> ${results}`,
    ...(typing.linear === 'all' ? { linear: [all] } : {}),
  };
}

const widthOf = ({ shape }: TensorShape): number => elements(shape.slice(2));

function loopOf(op: Op): BlockLoop<object> {
  const inner = (node: Node): Node => ({ ...node, op, inputs: node.inputs.slice(0, -1) });
  const { execution } = op;
  const loop = execution.by === 'blocks' ? execution : loweredLoop(op);
  return {
    ...loop,
    fleeting: true,
    kernels: (attrs, node) => loop.kernels(attrs, inner(node)),
    largest: (attrs, node) => loop.largest(attrs, inner(node)),
    scratchElements: (attrs, node) => loop.scratchElements(attrs, inner(node)),
    play: ({ inputs, outputs, scratch }: BlockMemory, run, attrs, node) => {
      let rows = 0;
      for (const count of inputs.at(-1)!) rows += count;
      if (rows === 0) return;
      const there = (of: Numbers, value: TensorShape): Numbers => of.subarray(0, rows * widthOf(value));
      const memory = {
        inputs: inputs.slice(0, -1).map((of, index) => there(of, node.inputs[index]!)),
        outputs: outputs.map((of, index) => there(of, node.outputs[index]!)),
        scratch,
      };
      loop.play(memory, run, attrs, inner(node));
    },
  };
}

/** Runs what ONNX Runtime is told of the op, on as many rows as there are. */
function loweredLoop(op: Op): BlockLoop<object> {
  const { execution } = op;
  if (execution.by !== 'onnx') throw new Error(`${op.name} is run by ${execution.by}, not row by row`);
  const dims = ({ shape }: TensorShape) => [1, 'rows', ...shape.slice(2)];
  const kernel = (attrs: object, node: Node): Kernel => ({
    name: [countedName(op), JSON.stringify(attrs), ...node.inputs.map(({ shape }) => shape.slice(2).join('x'))].join(
      ' ',
    ),
    inputs: node.inputs.map((value, index) => ({ name: `x${index}`, shape: dims(value) })),
    outputs: node.outputs.map((value, index) => ({ name: `y${index}`, shape: dims(value) })),
    write: (onnx, names) => execution.lower(onnx, Object.values(names), attrs, node),
  });
  return {
    kernels: (attrs, node) => ({ rows: kernel(attrs, node) }),
    play: ({ inputs, outputs }, run, _, node) => {
      const rows = inputs[0]!.length / widthOf(node.inputs[0]!);
      const view = (of: Numbers, { shape }: TensorShape) => ({ of, offset: 0, shape: [1, rows, ...shape.slice(2)] });
      run(
        'rows',
        inputs.map((of, index) => view(of, node.inputs[index]!)),
        outputs.map((of, index) => view(of, node.outputs[index]!)),
      );
    },
    scratchElements: () => 0,
    largest: (_, { inputs: [x] }) => ({ rows: x!.shape[1]! }),
  };
}
