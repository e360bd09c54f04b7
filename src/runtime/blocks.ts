// Plays ops that run by blocks: their kernels are sessions shared by all who have them, run on tensors over parts of the operands.
import { type LoweredKernel, lowerKernel } from '../program/lower-kernel.ts';
import type { Precision } from '../program/onnx-builder.ts';
import type { BlockMemory, Kernel, Node, RunKernel } from '../program/program.ts';
import { createSession, type Session } from './onnx/session.ts';
import { createTensors } from './onnx/tensors.ts';

export interface BlockPlayer {
  /** Compiles what the op needs; what the result plays reads and writes this memory, and returns the FLOPs that were run. */
  readonly prepare: (node: Node, memory: BlockMemory) => () => number;
  readonly release: () => void;
}

interface Compiled {
  readonly session: Session;
  readonly flops: LoweredKernel['flops'];
}

/**
 * Tensors kept from one play to the next, some 400 bytes each: making one takes as long as a call. Where there are more, blocks
 * are many and large, and making their tensors anew is little beside their products.
 */
const mostTensors = 2 ** 14;

export function createBlockPlayer(precision: Precision): BlockPlayer {
  const compiled = new Map<string, Compiled>();
  const tensors = createTensors();
  const fleeting = createTensors();

  const compile = (kernel: Kernel): Compiled => {
    const known = compiled.get(kernel.name);
    if (known) return known;
    const { graph, flops } = lowerKernel(kernel, precision);
    const made = { session: createSession(graph, precision), flops };
    compiled.set(kernel.name, made);
    return made;
  };

  return {
    prepare(node, memory) {
      const { execution } = node.op;
      if (execution.by !== 'blocks') throw new Error(`${node.op.name} does not run by blocks`);
      const kernels = new Map(
        Object.entries(execution.kernels(node.attrs, node)).map(([name, kernel]) => [name, compile(kernel)]),
      );
      let flops = 0;
      const made = execution.fleeting ? fleeting : tensors;
      const run: RunKernel = (name, inputs, outputs) => {
        const kernel = kernels.get(name)!;
        if (made.count() + inputs.length + outputs.length > mostTensors) made.clear();
        kernel.session.call(
          inputs.map(({ of, shape, offset }) => made.over(of, shape, offset)),
          outputs.map(({ of, shape, offset }) => made.over(of, shape, offset)),
        );
        flops += kernel.flops(inputs);
      };
      return () => {
        flops = 0;
        execution.play(memory, run, node.attrs, node);
        fleeting.clear();
        return flops;
      };
    },
    release() {
      for (const { session } of compiled.values()) session.release();
      compiled.clear();
      tensors.release();
      fleeting.release();
    },
  };
}
