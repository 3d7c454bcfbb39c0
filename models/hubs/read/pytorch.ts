/**
 * PyTorch checkpoints: a pickle of nested dictionaries, and the bytes of its tensors, in a zip (since PyTorch 1.6) or one after
 * the other (before).
 */
import { stat } from 'node:fs/promises';
import { openZip, type ZipArchive } from '../../disk/zip.ts';
import { type Bytes, Cursor, damaged, textOf, unsupported, withFiles } from './bytes.ts';
import { Global, Inert, type Names, unpickle, type Value } from './pickle.ts';
import {
  collect,
  countOf,
  type NamedTensor,
  type StoredType,
  shown,
  toFloat32,
  type WeightFile,
  widthOf,
} from './tensors.ts';
import { readEntry } from './zip-entry.ts';

/** A pickle of ResNet101 with optimizer has 0.3 MB. */
const maxPickle = 64 * 2 ** 20;
const maxEntries = 100_000;
/** Maximum number of values that are searched for tensors; shared ones count each time. */
const maxVisited = 200_000;
const deepest = 8;

const storageTypes: Readonly<Record<string, StoredType>> = {
  'torch.DoubleStorage': 'float64',
  'torch.FloatStorage': 'float32',
  'torch.HalfStorage': 'float16',
  'torch.BFloat16Storage': 'bfloat16',
  'torch.LongStorage': 'int64',
  'torch.IntStorage': 'int32',
  'torch.ShortStorage': 'int16',
  'torch.CharStorage': 'int8',
  'torch.ByteStorage': 'uint8',
  'torch.BoolStorage': 'bool',
};
const called = new Set([
  'collections.OrderedDict',
  'torch._utils._rebuild_tensor',
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_parameter',
  'torch.Size',
  // The arguments of a training, read as an object without content.
  'argparse.Namespace',
]);

/** The values of one or several tensors. */
class Storage {
  readonly key: string;
  readonly type: StoredType;
  readonly count: number;
  constructor(key: string, type: StoredType, count: number) {
    this.key = key;
    this.type = type;
    this.count = count;
  }
}

/** Part of a storage. */
class View {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  constructor(storage: Storage, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** Bytes of a storage, by its key. */
type ReadStorage = (storage: Storage) => Promise<Uint8Array>;

/** @throws QcError weights-… */
export async function readPytorchZip(path: string, file: string): Promise<WeightFile> {
  const zip = await openZip(path, maxEntries).catch((cause) => {
    throw damaged(file, `it is not a complete zip file: ${(cause as Error).message}`, cause);
  });
  try {
    const pickle = [...zip.sizes.keys()].find((name) => /^[^/]*\/data\.pkl$/.test(name));
    if (pickle === undefined) throw unsupported(file, 'it is a zip without data.pkl');
    const folder = pickle.slice(0, -'data.pkl'.length);
    await requireLittleEndian(zip, file, `${folder}byteorder`);
    const value = unpickle(new Cursor(file, await readEntry(zip, file, pickle, maxPickle)), namesOf(file));
    const { size } = await stat(path);
    const read: ReadStorage = async ({ key, type, count }) => {
      const length = count * widthOf(type);
      // PyTorch compresses nothing.
      if (length > size) throw damaged(file, `storage ${shown(key)} is larger than the file`);
      return readEntry(zip, file, `${folder}data/${key}`, length, length);
    };
    return {
      format: 'PyTorch checkpoint',
      tensors: tensorsOf(file, value, cachedLast(read)),
      [Symbol.asyncDispose]: () => zip[Symbol.asyncDispose](),
    };
  } catch (error) {
    await zip[Symbol.asyncDispose]();
    throw error;
  }
}

async function requireLittleEndian(zip: ZipArchive, file: string, entry: string): Promise<void> {
  if (!zip.sizes.has(entry)) return;
  const order = textOf(await readEntry(zip, file, entry, 16));
  if (order !== 'little') throw unsupported(file, `its byte order is ${shown(order)}`);
}

/** The magic number that files begin with since 2016, as PyTorch writes it. */
export const legacyStart = Buffer.from('80028a0a6cfc9c46f9206aa85019', 'hex');
const legacyProtocol = 1001;

/** @throws QcError weights-… */
export function readPytorchLegacy(path: string): Promise<WeightFile> {
  return withFiles(async (open) => {
    const bytes = await open(path);
    const file = bytes.name;
    const cursor = new Cursor(file, await bytes.read(0, Math.min(bytes.size, maxPickle)));
    const names = namesOf(file);
    unpickle(cursor, names); // the magic number, which led here
    if (unpickle(cursor, names) !== legacyProtocol) throw unsupported(file, 'its protocol is not 1001');
    const system = unpickle(cursor, names);
    if (system instanceof Map && system.get('little_endian') === false)
      throw unsupported(file, 'its byte order is "big"');
    const value = unpickle(cursor, names);
    const keys = unpickle(cursor, names);
    if (!Array.isArray(keys)) throw damaged(file, 'it does not list its storages');
    const read = await storagesFrom(bytes, cursor.at, keys, names.storages);
    return { format: 'PyTorch checkpoint (before 1.6)', tensors: tensorsOf(file, value, cachedLast(read)) };
  });
}

/** They are stored in sequence, each after the number of its values. */
async function storagesFrom(
  bytes: Bytes,
  from: number,
  keys: readonly Value[],
  storages: ReadonlyMap<string, Storage>,
): Promise<ReadStorage> {
  const places = new Map<string, number>();
  let at = from;
  for (const key of keys) {
    const storage = storages.get(String(key));
    if (!storage) throw damaged(bytes.name, `it has values for ${shown(String(key))}, which no tensor uses`);
    const count = new Cursor(bytes.name, await bytes.read(at, 8)).u64();
    if (count !== storage.count)
      throw damaged(
        bytes.name,
        `storage ${shown(storage.key)} has ${count} values instead of ${storage.count}`,
      );
    places.set(storage.key, at + 8);
    at += 8 + count * widthOf(storage.type);
  }
  return async ({ key, type, count }) => {
    const place = places.get(key);
    if (place === undefined) throw damaged(bytes.name, `it has no values for ${shown(key)}`);
    return bytes.read(place, count * widthOf(type));
  };
}

/** Tensors that share a storage follow each other. */
function cachedLast(read: ReadStorage): ReadStorage {
  let last: { readonly storage: Storage; readonly bytes: Promise<Uint8Array> } | undefined;
  return (storage) => {
    if (last?.storage !== storage) last = { storage, bytes: read(storage) };
    return last.bytes;
  };
}

interface CheckpointNames extends Names {
  /** Those that were named so far, by key. */
  readonly storages: ReadonlyMap<string, Storage>;
}

function namesOf(file: string): CheckpointNames {
  const storages = new Map<string, Storage>();
  const wrong = (what: string) => damaged(file, `its pickle has ${what}`);
  const numbers = (value: Value | undefined): number[] => {
    if (!Array.isArray(value)) throw wrong('a shape that is none');
    return value.map((one: Value) => {
      if (typeof one !== 'number') throw wrong('a shape that is none');
      return one;
    });
  };
  return {
    storages,
    allows: (name) => called.has(name) || Object.hasOwn(storageTypes, name),
    persistent(id) {
      const [kind, type, key, , count] = Array.isArray(id) ? id : [];
      const known = type instanceof Global ? storageTypes[type.name] : undefined;
      if (kind !== 'storage' || known === undefined || typeof key !== 'string' || typeof count !== 'number')
        throw wrong('a reference to no storage');
      countOf(file, `storage ${key}`, [count]);
      const before = storages.get(key);
      if (before && (before.type !== known || before.count !== count))
        throw wrong(`two different storages ${shown(key)}`);
      const storage = before ?? new Storage(key, known, count);
      storages.set(key, storage);
      return storage;
    },
    make(name, args) {
      switch (name) {
        case 'collections.OrderedDict':
          return dictionary(args[0], wrong);
        case 'torch.Size':
          return numbers(args[0]);
        case 'argparse.Namespace':
          return new Inert();
        case 'torch._utils._rebuild_parameter': {
          if (!(args[0] instanceof View)) throw wrong('a parameter without a tensor');
          return args[0];
        }
        case 'torch._utils._rebuild_tensor':
        case 'torch._utils._rebuild_tensor_v2': {
          const [storage, offset, shape, strides] = args;
          if (!(storage instanceof Storage) || typeof offset !== 'number')
            throw wrong('a tensor without values');
          return viewOf(file, storage, offset, numbers(shape), numbers(strides));
        }
        default:
          throw wrong(`a call of ${shown(name)}`);
      }
    },
  };
}

/** What OrderedDict(…) was given: nothing, or a list of pairs. */
function dictionary(pairs: Value | undefined, wrong: (what: string) => Error): Map<Value, Value> {
  if (pairs === undefined) return new Map();
  if (pairs instanceof Map) return new Map(pairs);
  if (!Array.isArray(pairs)) throw wrong('a dictionary of no pairs');
  return new Map(
    pairs.map((pair): [Value, Value] => {
      if (!Array.isArray(pair) || pair.length !== 2) throw wrong('a dictionary of no pairs');
      return [pair[0]!, pair[1]!];
    }),
  );
}

function viewOf(file: string, storage: Storage, offset: number, shape: number[], strides: number[]): View {
  const count = countOf(file, `a view of storage ${storage.key}`, shape);
  const isWhole = [offset, ...strides].every((step) => Number.isSafeInteger(step) && step >= 0);
  if (!isWhole || strides.length !== shape.length)
    throw damaged(file, `a tensor has the strides [${strides}]`);
  const last = shape.reduce((at, dim, i) => at + (dim - 1) * strides[i]!, offset);
  // PyTorch can repeat values by strides of 0: a few bytes would become a gigabyte.
  if (count > storage.count) throw damaged(file, `a tensor [${shape}] has more values than its storage`);
  if (count > 0 && last >= storage.count)
    throw damaged(file, `a tensor [${shape}] reads value ${last} of a storage with ${storage.count}`);
  return new View(storage, offset, shape, strides);
}

/** The tensors of nested dictionaries, named by all keys that lead there: "state_dict.conv1.weight". */
function tensorsOf(file: string, top: Value, read: ReadStorage): Map<string, NamedTensor> {
  let visited = 0;
  function* within(value: Value, name: string, depth: number): Generator<NamedTensor> {
    if (++visited > maxVisited) throw damaged(file, 'it has too many values');
    if (value instanceof View) yield named(name, value, read);
    if (!(value instanceof Map) || depth > deepest) return;
    for (const [key, inner] of value) {
      if (typeof key !== 'string' || key.length > 1_000) continue;
      yield* within(inner, name === '' ? key : `${name}.${key}`, depth + 1);
    }
  }
  return collect(file, within(top, '', 0));
}

function named(name: string, view: View, read: ReadStorage): NamedTensor {
  const { shape, storage } = view;
  return {
    name,
    shape,
    dtype: storage.type,
    read: async () => gather(toFloat32(await read(storage), storage.type), view),
  };
}

/** Values in row-major order, for any strides (channels_last). */
function gather(values: Float32Array, { offset, shape, strides }: View): Float32Array {
  const out = new Float32Array(shape.reduce((a, b) => a * b, 1));
  if (out.length === 0) return out;
  let at = 0;
  const walk = (axis: number, from: number): void => {
    if (axis === shape.length) {
      out[at++] = values[from]!;
      return;
    }
    for (let i = 0; i < shape[axis]!; i++) walk(axis + 1, from + i * strides[axis]!);
  };
  walk(0, offset);
  return out;
}
