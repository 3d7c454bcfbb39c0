/**
 * The ONNX file format: protobuf message definitions and a codec.
 * Names and field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto,
 * Apache-2.0); messages that are not needed are kept as unknown fields and written back unchanged.
 */
import protobuf from 'protobufjs';

/** 64-bit integers from a file are Long objects; numbers are accepted for writing. */
export type Int64 = number | { toNumber(): number };

export interface OnnxModel {
  irVersion?: Int64;
  opsetImport: { domain?: string; version?: Int64 }[];
  producerName?: string;
  producerVersion?: string;
  docString?: string;
  graph?: OnnxGraph;
  metadataProps: { key?: string; value?: string }[];
}

export interface OnnxGraph {
  name?: string;
  node: OnnxNode[];
  initializer: OnnxTensor[];
  input: OnnxValueInfo[];
  output: OnnxValueInfo[];
  valueInfo: OnnxValueInfo[];
  sparseInitializer: { values?: OnnxTensor; indices?: OnnxTensor; dims: Int64[] }[];
}

export interface OnnxNode {
  input: string[];
  output: string[];
  name?: string;
  opType?: string;
  domain?: string;
  attribute: OnnxAttribute[];
}

export interface OnnxAttribute {
  name?: string;
  /** See `attributeType`. */
  type?: number;
  f?: number;
  i?: Int64;
  s?: Uint8Array;
  t?: OnnxTensor;
  g?: OnnxGraph;
  floats: number[];
  ints: Int64[];
  strings: Uint8Array[];
  graphs: OnnxGraph[];
}

export interface OnnxTensor {
  name?: string;
  dims: Int64[];
  /** See `dataType`. */
  dataType?: number;
  /** Little-endian, row-major; a view into the file's bytes, not a copy. */
  rawData?: Uint8Array;
  floatData: number[];
  int32Data: number[];
  int64Data: Int64[];
  externalData: { key?: string; value?: string }[];
  dataLocation?: number;
}

export interface OnnxValueInfo {
  name?: string;
  type?: {
    tensorType?: {
      elemType?: number;
      shape?: { dim: { dimValue?: Int64; dimParam?: string }[] };
    };
  };
}

/** TensorProto.DataType */
export const dataType = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const;

/** AttributeProto.AttributeType */
export const attributeType = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7 } as const;

type Fields = Record<string, protobuf.IField & { rule?: string }>;
const one = (type: string, id: number): protobuf.IField => ({ type, id });
const many = (type: string, id: number): protobuf.IField & { rule: string } => ({
  rule: 'repeated',
  type,
  id,
});
const packed = (type: string, id: number) => ({ ...many(type, id), options: { packed: true } });
const message = (fields: Fields) => ({ fields });

const root = protobuf.Root.fromJSON({
  nested: {
    Model: message({
      irVersion: one('int64', 1),
      producerName: one('string', 2),
      producerVersion: one('string', 3),
      docString: one('string', 6),
      graph: one('Graph', 7),
      opsetImport: many('OperatorSetId', 8),
      metadataProps: many('Entry', 14),
    }),
    OperatorSetId: message({ domain: one('string', 1), version: one('int64', 2) }),
    Entry: message({ key: one('string', 1), value: one('string', 2) }),
    Graph: message({
      node: many('Node', 1),
      name: one('string', 2),
      initializer: many('Tensor', 5),
      input: many('ValueInfo', 11),
      output: many('ValueInfo', 12),
      valueInfo: many('ValueInfo', 13),
      sparseInitializer: many('SparseTensor', 15),
    }),
    Node: message({
      input: many('string', 1),
      output: many('string', 2),
      name: one('string', 3),
      opType: one('string', 4),
      attribute: many('Attribute', 5),
      domain: one('string', 7),
    }),
    Attribute: message({
      name: one('string', 1),
      f: one('float', 2),
      i: one('int64', 3),
      s: one('bytes', 4),
      t: one('Tensor', 5),
      g: one('Graph', 6),
      floats: many('float', 7),
      ints: many('int64', 8),
      strings: many('bytes', 9),
      graphs: many('Graph', 11),
      type: one('int32', 20),
    }),
    Tensor: message({
      dims: many('int64', 1),
      dataType: one('int32', 2),
      floatData: packed('float', 4),
      int32Data: packed('int32', 5),
      int64Data: packed('int64', 7),
      name: one('string', 8),
      rawData: one('bytes', 9),
      externalData: many('Entry', 13),
      dataLocation: one('int32', 14),
    }),
    SparseTensor: message({
      values: one('Tensor', 1),
      indices: one('Tensor', 2),
      dims: many('int64', 3),
    }),
    ValueInfo: message({ name: one('string', 1), type: one('Type', 2) }),
    Type: message({ tensorType: one('TensorType', 1) }),
    TensorType: message({ elemType: one('int32', 1), shape: one('TensorShape', 2) }),
    TensorShape: message({ dim: many('Dimension', 1) }),
    Dimension: message({ dimValue: one('int64', 1), dimParam: one('string', 2) }),
  },
});
const modelType = root.lookupType('Model');

/** Reads an ONNX file; tensors are views into `bytes`. Throws if the bytes are not a valid message. */
export function decodeModel(bytes: Uint8Array): OnnxModel {
  const reader = protobuf.Reader.create(bytes);
  reader.discardUnknown = false;
  return modelType.decode(reader) as unknown as OnnxModel;
}

/** The file's bytes. */
export function encodeModel(model: OnnxModel): Uint8Array {
  return modelType.encode(model as unknown as protobuf.Message).finish();
}

/** A copy of a message with some fields changed; keeps unknown fields. */
export function changed<T extends object>(message: T, changes: Partial<T>): T {
  const copy = Object.create(Object.getPrototypeOf(message), Object.getOwnPropertyDescriptors(message));
  return Object.assign(copy, changes);
}

/** A 64-bit integer as a number; dimensions and attributes fit. */
export function toNumber(value: Int64): number {
  return typeof value === 'number' ? value : value.toNumber();
}

/** "float32" for 1; "type 99" for unknown types. */
export function dataTypeName(type: number | undefined): string {
  const found = Object.entries(dataType).find(([, id]) => id === type);
  return found ? found[0] : `type ${type ?? 0}`;
}
