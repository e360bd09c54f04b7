// Encodes an ONNX graph as the protobuf message that ONNX Runtime loads.
// Field numbers: onnx.proto of the ONNX project (github.com/onnx/onnx), the messages and fields we use.
import protobuf from 'protobufjs/light.js';
import type {
  Attribute,
  OnnxConstant,
  OnnxDim,
  OnnxGraph,
  OnnxTensorInfo,
  OnnxType,
} from '../../program/onnx-graph.ts';

type Field = [type: string, id: number, repeated?: 'repeated'];

const message = (fields: Record<string, Field>): protobuf.IType => ({
  fields: Object.fromEntries(
    Object.entries(fields).map(([name, [type, id, rule]]) => [name, { type, id, ...(rule ? { rule } : {}) }]),
  ),
});

const root = protobuf.Root.fromJSON({
  nested: {
    Model: message({ irVersion: ['int64', 1], graph: ['Graph', 7], opsetImport: ['OperatorSet', 8, 'repeated'] }),
    OperatorSet: message({ domain: ['string', 1], version: ['int64', 2] }),
    Graph: message({
      node: ['Node', 1, 'repeated'],
      name: ['string', 2],
      initializer: ['Tensor', 5, 'repeated'],
      input: ['ValueInfo', 11, 'repeated'],
      output: ['ValueInfo', 12, 'repeated'],
    }),
    Node: message({
      input: ['string', 1, 'repeated'],
      output: ['string', 2, 'repeated'],
      name: ['string', 3],
      opType: ['string', 4],
      attribute: ['Attribute', 5, 'repeated'],
      domain: ['string', 7],
    }),
    Attribute: message({
      name: ['string', 1],
      f: ['float', 2],
      i: ['int64', 3],
      s: ['bytes', 4],
      ints: ['int64', 8, 'repeated'],
      type: ['int32', 20],
    }),
    Tensor: message({
      dims: ['int64', 1, 'repeated'],
      dataType: ['int32', 2],
      name: ['string', 8],
      rawData: ['bytes', 9],
    }),
    ValueInfo: message({ name: ['string', 1], type: ['Type', 2] }),
    Type: message({ tensorType: ['TensorType', 1] }),
    TensorType: message({ elemType: ['int32', 1], shape: ['Shape', 2] }),
    Shape: message({ dim: ['Dimension', 1, 'repeated'] }),
    Dimension: {
      ...message({ dimValue: ['int64', 1], dimParam: ['string', 2] }),
      oneofs: { value: { oneof: ['dimValue', 'dimParam'] } },
    },
  },
});

const modelMessage = root.lookupType('Model');

/** TensorProto.DataType numbers. */
export const typeNumber: Record<OnnxType, number> = { float32: 1, int32: 6, int64: 7, bool: 9, float64: 11 };

/** AttributeProto.AttributeType numbers: FLOAT 1, INT 2, STRING 3, INTS 7. */
function attribute(name: string, value: Attribute): object {
  if (typeof value === 'number') return { name, type: 2, i: value };
  if (typeof value === 'string') return { name, type: 3, s: new TextEncoder().encode(value) };
  if ('float' in value) return { name, type: 1, f: value.float };
  return { name, type: 7, ints: [...value] };
}

function rawBytes({ type, data }: OnnxConstant): Uint8Array {
  const numbers = Array.from(data);
  switch (type) {
    case 'float32':
      return new Uint8Array(Float32Array.from(numbers).buffer);
    case 'float64':
      return new Uint8Array(Float64Array.from(numbers).buffer);
    case 'int32':
      return new Uint8Array(Int32Array.from(numbers).buffer);
    case 'int64':
      return new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer);
    case 'bool':
      return Uint8Array.from(numbers);
  }
}

const dimension = (dim: OnnxDim): object => (typeof dim === 'string' ? { dimParam: dim } : { dimValue: dim });

const valueInfo = ({ name, type, shape }: OnnxTensorInfo): object => ({
  name,
  type: { tensorType: { elemType: typeNumber[type], shape: { dim: shape.map(dimension) } } },
});

/** The bytes of an ONNX model holding `graph`; tensors are little-endian. */
export function encodeModel(graph: OnnxGraph): Uint8Array {
  const payload = {
    irVersion: 9,
    opsetImport: [
      { domain: '', version: 18 },
      { domain: 'com.microsoft', version: 1 },
    ],
    graph: {
      name: 'segment',
      node: graph.nodes.map((node, index) => ({
        input: [...node.inputs],
        output: [...node.outputs],
        name: `${node.op}_${index}`,
        opType: node.op,
        domain: node.domain,
        attribute: Object.entries(node.attributes).map(([name, value]) => attribute(name, value)),
      })),
      initializer: graph.constants.map((constant) => ({
        name: constant.name,
        dims: [...constant.shape],
        dataType: typeNumber[constant.type],
        rawData: rawBytes(constant),
      })),
      input: graph.inputs.map(valueInfo),
      output: graph.outputs.map(valueInfo),
    },
  };
  return modelMessage.encode(modelMessage.create(payload)).finish();
}
