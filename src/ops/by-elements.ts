// Runs an op that makes each number of its results from one number of each operand by blocks: what lies between its steps then stays
// near a core, where whole tensors would come and go through memory at every step.
import type { OnnxBuilder } from '../program/onnx-builder.ts';
import { type BlockLoop, type Execution, elements, type Numbers, type View } from '../program/program.ts';

export interface ByElements {
  readonly name: string;
  /** How many operands and results, all of one shape. */
  readonly inputs: number;
  readonly outputs: number;
  readonly write: (onnx: OnnxBuilder, inputs: readonly string[]) => string[];
}

/** Numbers of a tensor in a block. Measured on 720,896 with eight steps in f32: half the time of no blocks, 8 % less than 2^14 or 2^16. */
const blockElements = 2 ** 15;

export function byElements({ name, inputs, outputs, write }: ByElements): Execution<object> {
  const vectors = (letter: string, count: number) =>
    Array.from({ length: count }, (_, i) => ({ name: `${letter}${i}`, shape: ['n'] }));
  const kernel = {
    name,
    inputs: vectors('x', inputs),
    outputs: vectors('y', outputs),
    write: (onnx: OnnxBuilder, names: Readonly<Record<string, string>>) => write(onnx, Object.values(names)),
  };
  const loop: BlockLoop<object> = {
    kernels: () => ({ block: kernel }),
    play: (memory, run) => {
      const { length } = memory.inputs[0]!;
      for (let offset = 0; offset < length; offset += blockElements) {
        const shape = [Math.min(blockElements, length - offset)];
        const part = (of: Numbers): View => ({ of, offset, shape });
        run('block', memory.inputs.map(part), memory.outputs.map(part));
      }
    },
    scratchElements: () => 0,
    largest: (_, { inputs: [x] }) => ({ n: Math.min(blockElements, elements(x!.shape)) }),
  };
  return { by: 'blocks', ...loop };
}
