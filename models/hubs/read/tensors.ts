/** Result of every reader: named tensors that are read on demand. */
import type { z } from 'zod';
import { check } from '../../../config/check.ts';
import { unpackHalf } from '../../onnx/tensors.ts';
import { damaged, unsupported } from './bytes.ts';

/** Size of one value, bytes. */
const widths = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  uint64: 8,
  int32: 4,
  uint32: 4,
  int16: 2,
  uint16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
} as const;

export type StoredType = keyof typeof widths;
export const isStoredType = (name: string): name is StoredType => Object.hasOwn(widths, name);
export const widthOf = (type: StoredType) => widths[type];

export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Type in the file. */
  readonly dtype: StoredType;
  /** Row-major, as float32. @throws QcError weights-damaged */
  read(): Promise<Float32Array>;
}

/** A file of weights, or a folder of them. Nothing in it was executed. */
export interface WeightFile extends AsyncDisposable {
  /** For people: "safetensors, 3 files". */
  readonly format: string;
  readonly tensors: ReadonlyMap<string, NamedTensor>;
  /** The publisher's description of the model: config.json, the topology in a Keras file. Unchecked JSON. */
  readonly config?: unknown;
  /** The preparation of images, if it has its own file (preprocessor_config.json). Unchecked JSON. */
  readonly preprocessor?: unknown;
}

const maxDimensions = 8;
/** Of one tensor: 1 GB as float32. */
const maxValues = 2 ** 28;
/** ResNet152 has 932 with all counters; a checkpoint with the state of its optimizer three times as many. */
const maxTensors = 50_000;

/** Number of values of a shape. @throws QcError weights-damaged */
export function countOf(file: string, name: string, shape: readonly number[]): number {
  const isWhole = shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0);
  // Only after every factor is known to be whole; a product above 2^53 is still above the limit.
  const count = isWhole && shape.length <= maxDimensions ? shape.reduce((a, b) => a * b, 1) : Number.NaN;
  if (!(count <= maxValues))
    throw damaged(file, `${shown(name)} has the impossible shape [${shape.slice(0, 9)}]`);
  return count;
}

/** Collects tensors by name. @throws QcError weights-damaged if one occurs twice or there are too many */
export function collect(file: string, tensors: Iterable<NamedTensor>): Map<string, NamedTensor> {
  const found = new Map<string, NamedTensor>();
  for (const tensor of tensors) {
    if (found.has(tensor.name)) throw damaged(file, `it has ${shown(tensor.name)} twice`);
    if (found.size >= maxTensors) throw damaged(file, `it has over ${maxTensors} tensors`);
    found.set(tensor.name, tensor);
  }
  return found;
}

/** A name from a file, escaped and shortened for a message. */
export const shown = (name: string) => JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);

/** Little-endian bytes as float32; integers beyond 2^24 are rounded. */
export function toFloat32(raw: Uint8Array, type: StoredType): Float32Array {
  if (type === 'bool' || type === 'uint8') return Float32Array.from(raw);
  // Copied, because a view into a file may not be aligned.
  const { buffer } = Uint8Array.from(raw);
  switch (type) {
    case 'float32':
      return new Float32Array(buffer);
    case 'float64':
      return Float32Array.from(new Float64Array(buffer));
    case 'float16':
      return unpackHalf(new Uint16Array(buffer));
    case 'bfloat16':
      return new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => bits << 16).buffer);
    case 'int64':
      return Float32Array.from(new BigInt64Array(buffer), Number);
    case 'uint64':
      return Float32Array.from(new BigUint64Array(buffer), Number);
    case 'int32':
      return Float32Array.from(new Int32Array(buffer));
    case 'uint32':
      return Float32Array.from(new Uint32Array(buffer));
    case 'int16':
      return Float32Array.from(new Int16Array(buffer));
    case 'uint16':
      return Float32Array.from(new Uint16Array(buffer));
    case 'int8':
      return Float32Array.from(new Int8Array(buffer));
  }
}

/** JSON from a file, checked. @throws QcError weights-damaged */
export function parseJson<S extends z.ZodType>(file: string, text: string, schema: S): z.output<S> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw damaged(file, `it is not JSON: ${(cause as Error).message}`, cause);
  }
  return checked(file, content, schema);
}

/** @throws QcError weights-damaged that names the first wrong field */
export function checked<S extends z.ZodType>(file: string, content: unknown, schema: S): z.output<S> {
  const parsed = check(schema, content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw damaged(file, `${issue?.path.join('.') || 'its content'}: ${issue?.message ?? 'wrong'}`);
}

/**
 * The name of a file next to another one that refers to it. @throws QcError weights-unsupported for anything but a plain
 * name
 */
export function requirePlainName(file: string, named: string): string {
  if (/[/\\\0]/.test(named) || named === '' || named === '.' || named === '..')
    throw unsupported(file, `it names ${shown(named)}, which is not a file in the same folder`);
  return named;
}
