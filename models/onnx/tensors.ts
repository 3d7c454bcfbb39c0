/** Converts weights between types. */
import { floatTensor, floatValues, tensorDims } from './build.ts';
import { dataType, type OnnxTensor, toNumber } from './proto.ts';

/** A float16 (IEEE 754 binary16) bit pattern as a number. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** The nearest float16 bit pattern, ties to even (IEEE 754-2019, 4.3.1); values that are too large become infinite. */
export function toFloat16(value: number): number {
  float[0] = value;
  const sign = (word[0]! >>> 16) & 0x8000;
  const magnitude = word[0]! & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  // Below 2^-14 the spacing is 2^-24, the same as for float32 from 0.5 on: adding 0.5 rounds to it.
  if (magnitude < 0x38800000) {
    float[0] = Math.abs(value) + 0.5;
    return sign | (word[0]! - 0x3f000000);
  }
  const rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return sign | ((rounded - 0x38000000) >> 13);
}

/** Lookup table of all patterns; a base has 25 million values. */
let table: Float32Array | undefined;

/** Converts to float16 bit patterns. A loop, because `Uint16Array.from` takes 20 times as long. */
export function packHalf(values: Float32Array): Uint16Array {
  const patterns = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) patterns[i] = toFloat16(values[i]!);
  return patterns;
}

/** @param into memory to use again; new memory is taken if it has another length */
export function unpackHalf(patterns: ArrayLike<number>, into?: Float32Array): Float32Array {
  table ??= Float32Array.from({ length: 65_536 }, (_, bits) => fromFloat16(bits));
  const values = into?.length === patterns.length ? into : new Float32Array(patterns.length);
  for (let i = 0; i < values.length; i++) values[i] = table[patterns[i]!]!;
  return values;
}

/** A float32 or float16 weight as float32; undefined for any other type. */
export function asFloat32(tensor: OnnxTensor, name = tensor.name ?? ''): OnnxTensor | undefined {
  if (tensor.dataType === dataType.float32) return { ...tensor, name };
  if (tensor.dataType !== dataType.float16) return undefined;
  // Without raw bytes the patterns are in int32_data (onnx.proto, TensorProto.int32_data).
  const raw = tensor.rawData && tensor.rawData.length > 0 ? Uint8Array.from(tensor.rawData) : undefined;
  const patterns = raw ? new Uint16Array(raw.buffer) : tensor.int32Data;
  return floatTensor(name, tensorDims(tensor), unpackHalf(patterns));
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

/** The values of an int32 or int64 weight; empty for any other type. */
export function integersOf({ dataType: type, rawData, int32Data, int64Data }: OnnxTensor): number[] {
  const width = type === dataType.int64 ? 8 : type === dataType.int32 ? 4 : 0;
  if (width === 0) return [];
  if (!rawData || rawData.length === 0) return width === 8 ? int64Data.map(toNumber) : [...int32Data];
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.length);
  return Array.from({ length: Math.floor(rawData.length / width) }, (_, i) =>
    width === 8 ? Number(view.getBigInt64(i * 8, true)) : view.getInt32(i * 4, true),
  );
}
