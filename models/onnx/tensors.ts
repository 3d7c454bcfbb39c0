/** The values of a graph's weights, whatever type the file keeps them in. */
import { floatTensor, floatValues, tensorDims } from './build.ts';
import { dataType, type OnnxTensor } from './proto.ts';

/** A float16 (IEEE 754 binary16) bit pattern as a number. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Every pattern's value; a base holds 25 million of them. */
let table: Float32Array | undefined;

/** A float32 or float16 weight as float32; undefined for any other type. */
export function asFloat32(tensor: OnnxTensor, name = tensor.name ?? ''): OnnxTensor | undefined {
  if (tensor.dataType === dataType.float32) return { ...tensor, name };
  if (tensor.dataType !== dataType.float16) return undefined;
  // Without raw bytes the patterns lie in int32_data (onnx.proto, TensorProto.int32_data).
  const raw = tensor.rawData && tensor.rawData.length > 0 ? Uint8Array.from(tensor.rawData) : undefined;
  const patterns = raw ? new Uint16Array(raw.buffer) : tensor.int32Data;
  const values = new Float32Array(patterns.length);
  table ??= Float32Array.from({ length: 65_536 }, (_, bits) => fromFloat16(bits));
  for (let i = 0; i < values.length; i++) values[i] = table[patterns[i]!]!;
  return floatTensor(name, tensorDims(tensor), values);
}

/** The values of a float32 or float16 weight. Throws for any other type. */
export function weightValues(tensor: OnnxTensor): Float32Array {
  return floatValues(asFloat32(tensor) ?? tensor);
}

/** An 8-bit or 32-bit integer weight, row-major; [] for a scalar. */
export function integerTensor(
  name: string,
  dims: readonly number[],
  values: Int8Array | Uint8Array | Int32Array,
): OnnxTensor {
  const type =
    values instanceof Int8Array
      ? dataType.int8
      : values instanceof Uint8Array
        ? dataType.uint8
        : dataType.int32;
  return {
    name,
    dims: [...dims],
    dataType: type,
    rawData: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    floatData: [],
    int32Data: [],
    int64Data: [],
    externalData: [],
  };
}
