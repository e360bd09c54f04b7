// RMSNorm and LayerNorm over the last dim, and their gradients.
import { elements, expectShape, type NdArray, type Op, type TensorShape, type Value } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { float, labels, lastDim, ndarray, rowsOf } from './shapes.ts';

const leading = (x: TensorShape) => labels(x.shape.length - 1);
const statistics = (x: TensorShape) => float([...x.shape.slice(0, -1), 1]);

function expectGain(x: TensorShape, gain: TensorShape): void {
  expectShape(
    gain.shape.length === 1 && gain.shape[0] === lastDim(x.shape),
    `gain [${gain.shape}] for features [${x.shape}]`,
  );
}

const leadingAxes = (rank: number) => Array.from({ length: rank - 1 }, (_, dim) => dim);

const rmsNormOp: Op<{ epsilon: number }> = {
  name: 'rmsNorm',
  shape: ([x, gain]) => {
    expectGain(x!, gain!);
    return [float(x!.shape), statistics(x!)];
  },
  typing: ([x]) => ({ dims: `${leading(x!)} z!, z! -> ${leading(x!)} z, ${leading(x!)} 1` }),
  vjp: ({ node, gradients: [g] }) => {
    const [x, gain] = node.inputs as [Value, Value];
    return apply(rmsNormGradOp, [g!, x, gain, node.outputs[1]!], {});
  },
  execution: {
    by: 'onnx',
    lower: (onnx, [x, gain], { epsilon }, node) => {
      const size = lastDim(node.inputs[0]!.shape);
      if (onnx.fused)
        return onnx.addMany('SimplifiedLayerNormalization', [x!, gain!], 2, { axis: -1, epsilon: { float: epsilon } });
      const squares = onnx.add('ReduceSumSquare', [x!, onnx.int64s(-1)]);
      const mean = onnx.add('Add', [onnx.add('Mul', [squares, onnx.scalar(1 / size)]), onnx.scalar(epsilon)]);
      const inverse = onnx.add('Reciprocal', [onnx.add('Sqrt', [mean])]);
      return [onnx.add('Mul', [onnx.add('Mul', [x!, inverse]), gain!]), inverse];
    },
  },
  reference: ([x, gain], { epsilon }) => {
    const size = lastDim(x!.shape);
    const inverse = ndarray([...x!.shape.slice(0, -1), 1], (row) => {
      let sum = 0;
      for (let i = 0; i < size; i++) sum += x!.data[row * size + i]! ** 2;
      return 1 / Math.sqrt(sum / size + epsilon);
    });
    return [
      ndarray(x!.shape, (i) => x!.data[i]! * inverse.data[Math.floor(i / size)]! * gain!.data[i % size]!),
      inverse,
    ];
  },
};

const rmsNormGradOp: Op = {
  name: 'rmsNormGrad',
  shape: ([, x, gain]) => [float(x!.shape), float(gain!.shape)],
  typing: ([, x]) => ({
    dims: `${leading(x!)} z!, ${leading(x!)} z!, z!, ${leading(x!)} 1 -> ${leading(x!)} z, z`,
    linear: [0],
  }),
  execution: {
    by: 'onnx',
    lower: (onnx, [dy, x, gain, inverse], _, node) => {
      const { shape } = node.inputs[1]!;
      const [rows, size] = [rowsOf(shape), lastDim(shape)];
      // With n = x · inverse: both sums over dy · n are products with a vector, and n itself is never made.
      const flat = onnx.reshape(onnx.add('Mul', [dy!, x!]), [rows, size]);
      const along = onnx.add('MatMul', [flat, onnx.reshape(gain!, [size, 1])]);
      const column = onnx.reshape(inverse!, [rows, 1]);
      const cube = onnx.add('Mul', [onnx.add('Mul', [column, column]), column]);
      const bend = onnx.add('Mul', [onnx.add('Mul', [along, cube]), onnx.scalar(1 / size)]);
      const scaled = onnx.add('Mul', [onnx.add('Mul', [dy!, gain!]), inverse!]);
      const dx = onnx.add('Sub', [scaled, onnx.add('Mul', [x!, onnx.reshape(bend, [...shape.slice(0, -1), 1])])]);
      const dGain = onnx.add('MatMul', [onnx.reshape(inverse!, [1, rows]), flat]);
      return [dx, onnx.reshape(dGain, [size])];
    },
  },
  reference: ([dy, x, gain, inverse]) =>
    normGradReference(
      dy!,
      x!,
      gain!,
      (i) => x!.data[i]! * inverse!.data[Math.floor(i / lastDim(x!.shape))]!,
      inverse!,
      false,
    ),
};

/** dx and the gain's gradient; with `centred` (LayerNorm) also the bias's, and dx has no mean. */
function normGradReference(
  dy: NdArray,
  x: NdArray,
  gain: NdArray,
  normal: (i: number) => number,
  inverse: NdArray,
  centred: boolean,
): NdArray[] {
  const size = lastDim(x.shape);
  const along = new Float64Array(rowsOf(x.shape));
  const mean = new Float64Array(rowsOf(x.shape));
  const dGain = ndarray([size], () => 0);
  const dBias = ndarray([size], () => 0);
  for (let i = 0; i < elements(x.shape); i++) {
    const row = Math.floor(i / size);
    along[row]! += (dy.data[i]! * gain.data[i % size]! * normal(i)) / size;
    mean[row]! += (dy.data[i]! * gain.data[i % size]!) / size;
    dGain.data[i % size]! += dy.data[i]! * normal(i);
    dBias.data[i % size]! += dy.data[i]!;
  }
  const dx = ndarray(x.shape, (i) => {
    const row = Math.floor(i / size);
    return (
      (dy.data[i]! * gain.data[i % size]! - normal(i) * along[row]! - (centred ? mean[row]! : 0)) * inverse.data[row]!
    );
  });
  return centred ? [dx, dGain, dBias] : [dx, dGain];
}

const layerNormOp: Op<{ epsilon: number }> = {
  name: 'layerNorm',
  shape: ([x, gain, bias]) => {
    expectGain(x!, gain!);
    expectGain(x!, bias!);
    return [float(x!.shape), statistics(x!), statistics(x!)];
  },
  typing: ([x]) => ({ dims: `${leading(x!)} z!, z!, z! -> ${leading(x!)} z, ${leading(x!)} 1, ${leading(x!)} 1` }),
  vjp: ({ node, gradients: [g] }) => {
    const [x, gain] = node.inputs as [Value, Value];
    return apply(layerNormGradOp, [g!, x, gain, node.outputs[1]!, node.outputs[2]!], {});
  },
  execution: {
    by: 'onnx',
    lower: (onnx, [x, gain, bias], { epsilon }, node) => {
      const size = lastDim(node.inputs[0]!.shape);
      const mean = onnx.add('ReduceMean', [x!, onnx.int64s(-1)]);
      const centred = onnx.add('Sub', [x!, mean]);
      const squares = onnx.add('ReduceSumSquare', [centred, onnx.int64s(-1)]);
      const variance = onnx.add('Add', [onnx.add('Mul', [squares, onnx.scalar(1 / size)]), onnx.scalar(epsilon)]);
      const inverse = onnx.add('Reciprocal', [onnx.add('Sqrt', [variance])]);
      return [onnx.add('Add', [onnx.add('Mul', [onnx.add('Mul', [centred, inverse]), gain!]), bias!]), mean, inverse];
    },
  },
  reference: ([x, gain, bias], { epsilon }) => {
    const size = lastDim(x!.shape);
    const shape = [...x!.shape.slice(0, -1), 1];
    const row = (index: number) => x!.data.subarray(index * size, (index + 1) * size);
    const mean = ndarray(shape, (index) => row(index).reduce((sum, value) => sum + value, 0) / size);
    const inverse = ndarray(shape, (index) => {
      const variance = row(index).reduce((sum, value) => sum + (value - mean.data[index]!) ** 2, 0) / size;
      return 1 / Math.sqrt(variance + epsilon);
    });
    const y = ndarray(x!.shape, (i) => {
      const r = Math.floor(i / size);
      return (x!.data[i]! - mean.data[r]!) * inverse.data[r]! * gain!.data[i % size]! + bias!.data[i % size]!;
    });
    return [y, mean, inverse];
  },
};

const layerNormGradOp: Op = {
  name: 'layerNormGrad',
  shape: ([, x, gain]) => [float(x!.shape), float(gain!.shape), float(gain!.shape)],
  typing: ([, x]) => ({
    dims: `${leading(x!)} z!, ${leading(x!)} z!, z!, ${leading(x!)} 1, ${leading(x!)} 1 -> ${leading(x!)} z, z, z`,
    linear: [0],
  }),
  execution: {
    by: 'onnx',
    lower: (onnx, [dy, x, gain, mean, inverse], _, node) => {
      const { shape } = node.inputs[1]!;
      const axes = onnx.int64s(...leadingAxes(shape.length));
      const normal = onnx.add('Mul', [onnx.add('Sub', [x!, mean!]), inverse!]);
      const scaled = onnx.add('Mul', [dy!, gain!]);
      const along = onnx.add('Mul', [
        onnx.add('ReduceSum', [onnx.add('Mul', [scaled, normal]), onnx.int64s(-1)]),
        onnx.scalar(1 / lastDim(shape)),
      ]);
      const centred = onnx.add('Sub', [scaled, onnx.add('ReduceMean', [scaled, onnx.int64s(-1)])]);
      const dx = onnx.add('Mul', [onnx.add('Sub', [centred, onnx.add('Mul', [normal, along])]), inverse!]);
      const dGain = onnx.add('ReduceSum', [onnx.add('Mul', [dy!, normal]), axes], { keepdims: 0 });
      return [dx, dGain, onnx.add('ReduceSum', [dy!, axes], { keepdims: 0 })];
    },
  },
  reference: ([dy, x, gain, mean, inverse]) => {
    const size = lastDim(x!.shape);
    const normal = (i: number) =>
      (x!.data[i]! - mean!.data[Math.floor(i / size)]!) * inverse!.data[Math.floor(i / size)]!;
    return normGradReference(dy!, x!, gain!, normal, inverse!, true);
  },
};

/** x / rms(x) · gain over the last dim. */
export const rmsNorm = (x: Value, gain: Value, epsilon: number): Value => apply(rmsNormOp, [x, gain], { epsilon })[0]!;
/** (x - mean) / standard deviation · gain + bias over the last dim. */
export const layerNorm = (x: Value, gain: Value, bias: Value, epsilon: number): Value =>
  apply(layerNormOp, [x, gain, bias], { epsilon })[0]!;

export const normOps = { rmsNormOp, rmsNormGradOp, layerNormOp, layerNormGradOp };
