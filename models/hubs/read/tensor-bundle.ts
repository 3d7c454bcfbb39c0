/**
 * The variables of a SavedModel (TensorBundle, tensorflow/core/protobuf/tensor_bundle.proto): a table with the place of
 * each variable in the data files. It numbers variables; its object graph has the names of Keras: "conv1_conv/kernel".
 */
import { basename, dirname, join } from 'node:path';
import protobuf, { type Reader } from 'protobufjs';
import { type Bytes, Cursor, damaged, textOf, unsupported, withFiles } from './bytes.ts';
import { crc32c } from './crc32c.ts';
import { readTable } from './sstable.ts';
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

/** DataType in tensorflow/core/framework/types.proto. */
const types: Readonly<Record<number, StoredType>> = {
  1: 'float32',
  2: 'float64',
  3: 'int32',
  9: 'int64',
  14: 'bfloat16',
  19: 'float16',
};
const text = 7;
const maxShards = 100;
const maxGraph = 64 * 2 ** 20;
const graphKey = '_CHECKPOINTABLE_OBJECT_GRAPH';

interface Entry {
  readonly type: number;
  readonly shape: readonly number[];
  readonly shard: number;
  readonly offset: number;
  readonly size: number;
  readonly crc: number;
}

/** @param path of variables.index. @throws QcError weights-… */
export function readTensorBundle(path: string): Promise<WeightFile> {
  return withFiles(async (open) => {
    const index = await open(path);
    const { name: file } = index;
    const table = await readTable(index);
    const count = shardsOf(file, table.get(''));
    const shards: Bytes[] = [];
    for (let i = 0; i < count; i++) shards.push(await open(shardPath(path, i, count)));
    const entries = new Map<string, Entry>();
    for (const [key, value] of table) if (key !== '') entries.set(key, entryOf(file, value));
    const graph = entries.get(graphKey);
    const names = graph ? namesIn(file, await objectGraph(file, shards, graph)) : new Map<string, string>();
    const found = new Map<string, NamedTensor>();
    for (const [key, entry] of entries) {
      const tensor = tensorOf(file, names.get(key) ?? key, entry, shards);
      // Keras 3 saves each variable twice, under two keys.
      if (tensor && !found.has(tensor.name)) found.set(tensor.name, tensor);
    }
    return { format: 'TensorFlow SavedModel', tensors: collect(file, found.values()) };
  });
}

function shardPath(path: string, shard: number, count: number): string {
  const digits = (value: number) => String(value).padStart(5, '0');
  const start = basename(path).replace(/\.index$/, '');
  return join(dirname(path), `${start}.data-${digits(shard)}-of-${digits(count)}`);
}

/** protobufjs throws RangeError and Error at the end of its input. */
function decoded<T>(file: string, what: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw damaged(file, `${what} is damaged: ${(cause as Error).message}`, cause);
  }
}

/** Calls `field` with the number of each field; it returns false for a field that it does not read. */
function fields(reader: Reader, end: number, field: (id: number) => boolean): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (!field(tag >>> 3)) reader.skipType(tag & 7);
  }
}

/** BundleHeaderProto: num_shards 1, endianness 2. */
function shardsOf(file: string, header: Uint8Array | undefined): number {
  if (!header) throw damaged(file, 'it has no header');
  let [count, endianness] = [0, 0];
  decoded(file, 'its header', () => {
    const reader = protobuf.Reader.create(header);
    fields(reader, header.length, (id) => {
      if (id === 1) count = reader.int32();
      else if (id === 2) endianness = reader.int32();
      return id === 1 || id === 2;
    });
  });
  if (endianness !== 0) throw unsupported(file, 'its byte order is "big"');
  if (count < 1 || count > maxShards) throw damaged(file, `it would have ${count} data files`);
  return count;
}

/** BundleEntryProto: dtype 1, shape 2, shard_id 3, offset 4, size 5, crc32c 6, slices 7. */
function entryOf(file: string, value: Uint8Array): Entry {
  return decoded(file, 'one of its entries', () => {
    const reader = protobuf.Reader.create(value);
    const shape: number[] = [];
    let [type, shard, offset, size, crc] = [0, 0, 0, 0, 0];
    fields(reader, value.length, (id) => {
      if (id === 1) type = reader.int32();
      else if (id === 2) shape.push(...shapeFrom(reader));
      else if (id === 3) shard = reader.int32();
      else if (id === 4) offset = Number(reader.int64());
      else if (id === 5) size = Number(reader.int64());
      else if (id === 6) crc = reader.fixed32();
      else if (id === 7) throw new Error('it is stored in slices');
      return id <= 6;
    });
    return { type, shape, shard, offset, size, crc };
  });
}

/** TensorShapeProto: dim 2, whose size is 1. */
function shapeFrom(reader: Reader): number[] {
  const shape: number[] = [];
  const end = reader.uint32() + reader.pos;
  fields(reader, end, (id) => {
    if (id !== 2) return false;
    const dimEnd = reader.uint32() + reader.pos;
    let size = 0;
    fields(reader, dimEnd, (inner) => {
      if (inner === 1) size = Number(reader.int64());
      return inner === 1;
    });
    shape.push(size);
    return true;
  });
  return shape;
}

async function bytesOf(
  file: string,
  shards: readonly Bytes[],
  { shard, offset, size }: Entry,
): Promise<Uint8Array> {
  const from = shards[shard];
  if (!from) throw damaged(file, `a variable lies in data file ${shard} of ${shards.length}`);
  return from.read(offset, size);
}

function tensorOf(
  file: string,
  name: string,
  entry: Entry,
  shards: readonly Bytes[],
): NamedTensor | undefined {
  // Texts and resources are not weights.
  const dtype = types[entry.type];
  if (dtype === undefined) return undefined;
  const { shape, size, crc, offset, shard } = entry;
  const length = countOf(file, name, shape) * widthOf(dtype);
  const available = shards[shard]?.size ?? 0;
  if (size !== length || offset < 0 || offset + size > available)
    throw damaged(
      file,
      `${shown(name)} [${shape}] ${dtype} cannot be ${size} bytes at ${offset} of ${available}`,
    );
  return {
    name,
    shape,
    dtype,
    async read() {
      const bytes = await bytesOf(file, shards, entry);
      if (crc32c(bytes) !== crc) throw damaged(file, `the checksum of ${shown(name)} is wrong`);
      return toFloat32(bytes, dtype);
    },
  };
}

/** The one text of a tensor of texts: its length, a checksum of the lengths, the text. */
async function objectGraph(file: string, shards: readonly Bytes[], entry: Entry): Promise<Uint8Array> {
  if (entry.type !== text || entry.size > maxGraph) throw damaged(file, 'its object graph is damaged');
  const cursor = new Cursor(file, await bytesOf(file, shards, entry));
  const length = cursor.varint();
  cursor.skip(4);
  return cursor.take(length);
}

/**
 * TrackableObjectGraph: nodes 1, whose attributes 2 have full_name 2 and checkpoint_key 3
 * (tensorflow/core/protobuf/trackable_object_graph.proto).
 */
function namesIn(file: string, graph: Uint8Array): Map<string, string> {
  const names = new Map<string, string>();
  decoded(file, 'its object graph', () => {
    const reader = protobuf.Reader.create(graph);
    fields(reader, graph.length, (id) => {
      if (id !== 1) return false;
      fields(reader, reader.uint32() + reader.pos, (inner) => {
        if (inner !== 2) return false;
        let [name, key] = ['', ''];
        fields(reader, reader.uint32() + reader.pos, (attribute) => {
          const isText = attribute === 2 || attribute === 3;
          if (!isText) return false;
          const value = textOf(reader.bytes());
          if (attribute === 2) name = value;
          else key = value;
          return true;
        });
        if (name !== '' && key !== '') names.set(key, name);
        return true;
      });
      return true;
    });
  });
  return names;
}
