// Lowers a kernel of an op that runs by blocks to an ONNX graph with named dims.
import { buildGraph, type DimSizes, type Precision } from './onnx-builder.ts';
import type { OnnxGraph } from './onnx-graph.ts';
import type { Kernel, Shape } from './program.ts';

export interface LoweredKernel {
  readonly graph: OnnxGraph;
  /** Matrix-multiply FLOPs of one run on inputs of these shapes, counted from the graph. */
  readonly flops: (inputs: readonly { readonly shape: Shape }[]) => number;
}

export function lowerKernel(kernel: Kernel, precision: Precision): LoweredKernel {
  const building = buildGraph(precision);
  const type = precision === 'f32' ? 'float32' : 'float64';
  const inputs = kernel.inputs.map(({ shape }, index) => ({ name: `i${index}`, type, shape }) as const);
  const names = Object.fromEntries(kernel.inputs.map(({ name }, index) => [name, `i${index}`]));
  const results = kernel.write(building.onnx, names);
  const outputs = kernel.outputs.map(
    ({ shape }, index) => ({ name: `o${index}`, type, shape, from: results[index]! }) as const,
  );
  return { graph: building.finish(inputs, outputs), flops: (given) => building.flops(sizesOf(kernel, given)) };
}

/** The sizes of the dims that a kernel names, from the inputs of a run. */
function sizesOf({ inputs }: Kernel, given: readonly { readonly shape: Shape }[]): DimSizes {
  const sizes: Record<string, number> = {};
  for (const [index, { shape }] of inputs.entries())
    for (const [place, dim] of shape.entries()) if (typeof dim === 'string') sizes[dim] = given[index]!.shape[place]!;
  return sizes;
}
