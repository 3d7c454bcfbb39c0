/**
 * safetensors: a length, JSON with the place of each tensor, and their bytes (https://huggingface.co/docs/safetensors).
 * Large models are split into files, listed in an index.
 */
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { type Bytes, damaged, textOf, unsupported, withFiles } from './bytes.ts';
import {
  checked,
  collect,
  countOf,
  type NamedTensor,
  parseJson,
  requirePlainName,
  type StoredType,
  shown,
  toFloat32,
  type WeightFile,
  widthOf,
} from './tensors.ts';

/** What the format itself allows. */
const maxHeader = 100_000_000;
const maxFiles = 100;

const types: Readonly<Record<string, StoredType>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  I64: 'int64',
  U64: 'uint64',
  I32: 'int32',
  U32: 'uint32',
  I16: 'int16',
  U16: 'uint16',
  I8: 'int8',
  U8: 'uint8',
  BOOL: 'bool',
};

const size = z.number().int().min(0);
const entrySchema = z.object({
  dtype: z.string().max(20),
  shape: z.array(size).max(8),
  data_offsets: z.tuple([size, size]),
});
const headerSchema = z.record(z.string(), z.unknown());
const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** @throws QcError weights-… */
export function readSafetensors(path: string): Promise<WeightFile> {
  return withFiles(async (open) => {
    const bytes = await open(path);
    return { format: 'safetensors', tensors: collect(bytes.name, await tensorsIn(bytes)) };
  });
}

/** The tensors of one file, in the order of its header. @throws QcError weights-… */
async function tensorsIn(bytes: Bytes): Promise<NamedTensor[]> {
  const { name: file } = bytes;
  const start = await bytes.read(0, 8);
  const length = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  if (length > maxHeader || length + 8 > bytes.size)
    throw damaged(file, `its header would have ${length} bytes, the file has ${bytes.size}`);
  const header = parseJson(file, textOf(await bytes.read(8, length)), headerSchema);
  const data = 8 + length;
  return Object.entries(header).flatMap(([name, said]) => {
    if (name === '__metadata__') return [];
    const { dtype, shape, data_offsets } = checked(`${file}: ${shown(name)}`, said, entrySchema);
    const [from, to] = data_offsets;
    const type = types[dtype];
    if (type === undefined)
      throw unsupported(file, `${shown(name)} is stored as ${shown(dtype)}, which is not read`);
    const count = countOf(file, name, shape);
    if (to - from !== count * widthOf(type))
      throw damaged(file, `${shown(name)} has [${shape}] ${type} in ${to - from} bytes`);
    if (data + to > bytes.size)
      throw damaged(
        file,
        `${shown(name)} ends at byte ${data + to}, the file at ${bytes.size}: it is cut off`,
      );
    return [
      {
        name,
        shape,
        dtype: type,
        read: async () => toFloat32(await bytes.read(data + from, to - from), type),
      },
    ];
  });
}

/** @param path an index such as model.safetensors.index.json. @throws QcError weights-… */
export function readShardedSafetensors(path: string): Promise<WeightFile> {
  return withFiles(async (open) => {
    const index = await open(path);
    const text = textOf(await index.read(0, Math.min(index.size, maxHeader)));
    const { weight_map } = parseJson(index.name, text, indexSchema);
    const files = [...new Set(Object.values(weight_map))].map((named) => requirePlainName(index.name, named));
    if (files.length === 0 || files.length > maxFiles)
      throw damaged(index.name, `it names ${files.length} files, 1 to ${maxFiles} are expected`);
    const parts: NamedTensor[] = [];
    for (const file of files) {
      for (const tensor of await tensorsIn(await open(join(dirname(path), file)))) {
        if (weight_map[tensor.name] !== file)
          throw damaged(file, `it has ${shown(tensor.name)}, which ${index.name} does not expect there`);
        parts.push(tensor);
      }
    }
    const tensors = collect(index.name, parts);
    const absent = Object.keys(weight_map).find((name) => !tensors.has(name));
    if (absent !== undefined) throw damaged(weight_map[absent]!, `${shown(absent)} is not in it`);
    return { format: `safetensors in ${files.length} files`, tensors };
  });
}
