/** Builds ONNX models: tensors, nodes, model. */
import {
  attributeType,
  dataType,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
  toNumber,
} from './proto.ts';

/** A float32 weight, row-major; the values are not copied. */
export function floatTensor(name: string, dims: readonly number[], values: Float32Array): OnnxTensor {
  const size = dims.reduce((product, dim) => product * dim, 1);
  if (size !== values.length) {
    throw new Error(`${name}: [${dims.join(',')}] holds ${size} values, got ${values.length}`);
  }
  return {
    name,
    dims: [...dims],
    dataType: dataType.float32,
    rawData: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    floatData: [],
    int32Data: [],
    int64Data: [],
    externalData: [],
  };
}

/** A list of int64, for Reshape and Slice. */
export function shapeTensor(name: string, values: readonly number[]): OnnxTensor {
  const raw = BigInt64Array.from(values, BigInt);
  return {
    name,
    dims: [values.length],
    dataType: dataType.int64,
    rawData: new Uint8Array(raw.buffer),
    floatData: [],
    int32Data: [],
    int64Data: [],
    externalData: [],
  };
}

/** The values of a float32 weight, stored as raw or typed data. */
export function floatValues(tensor: OnnxTensor): Float32Array {
  if (tensor.dataType !== dataType.float32) throw new Error(`${tensor.name ?? 'tensor'} is not float32`);
  const raw = tensor.rawData;
  if (!raw || raw.length === 0) return Float32Array.from(tensor.floatData);
  // Copied, because a view into the file may not be aligned to four bytes.
  return new Float32Array(Uint8Array.from(raw).buffer);
}

export function tensorDims(tensor: OnnxTensor): number[] {
  return tensor.dims.map(toNumber);
}

/** Whole numbers become INT, others FLOAT, arrays of whole numbers INTS; `{float: 1}` forces FLOAT. */
export type AttributeValue = number | readonly number[] | { readonly float: number } | string;

/** One operator of the default domain. */
export function node(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
): OnnxNode {
  return {
    opType,
    name: output[0] ?? opType,
    input: [...input],
    output: [...output],
    attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  };
}

function attribute(name: string, value: AttributeValue): OnnxAttribute {
  const base = { name, floats: [], ints: [], strings: [], graphs: [] };
  if (typeof value === 'string') return { ...base, type: attributeType.string, s: Buffer.from(value) };
  if (Array.isArray(value)) return { ...base, type: attributeType.ints, ints: [...value] };
  if (typeof value === 'number' && Number.isInteger(value)) {
    return { ...base, type: attributeType.int, i: value };
  }
  const float = typeof value === 'number' ? value : (value as { float: number }).float;
  return { ...base, type: attributeType.float, f: float };
}

/** A float32 input or output. Names are free dimensions; without dims the shape is unknown. */
export function valueInfo(name: string, dims: readonly (number | string)[] | undefined): OnnxValueInfo {
  const shape = dims && {
    dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })),
  };
  return { name, type: { tensorType: { elemType: dataType.float32, ...(shape && { shape }) } } };
}

/** A model of the default operator set, version 13 (IR version 7, ONNX 1.8), which nearly all runtimes support. */
export function buildModel(options: {
  readonly name: string;
  readonly node: OnnxNode[];
  readonly initializer: OnnxTensor[];
  readonly input: OnnxValueInfo[];
  readonly output: OnnxValueInfo[];
  readonly metadata?: Readonly<Record<string, string>>;
}): OnnxModel {
  const graph: OnnxGraph = {
    name: options.name,
    node: options.node,
    initializer: options.initializer,
    input: options.input,
    output: options.output,
    valueInfo: [],
    sparseInitializer: [],
  };
  return {
    irVersion: 7,
    producerName: 'qc-edge-agent',
    opsetImport: [{ domain: '', version: 13 }],
    graph,
    metadataProps: Object.entries(options.metadata ?? {}).map(([key, value]) => ({ key, value })),
  };
}
