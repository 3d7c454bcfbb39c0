/**
 * TensorFlow.js: model.json lists the weights, whose bytes are stored in sequence in files next to it, possibly quantized.
 * In a graph model the constants of convolutions have the names of the layers: "conv1_conv/kernel".
 */
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import { type Bytes, damaged, textOf, unsupported, withFiles } from './bytes.ts';
import {
  collect,
  countOf,
  isStoredType,
  type NamedTensor,
  parseJson,
  requirePlainName,
  type StoredType,
  shown,
  toFloat32,
  type WeightFile,
  widthOf,
} from './tensors.ts';

const maxJson = 256 * 2 ** 20;
const maxFiles = 1_000;

const weightSchema = z.object({
  name: z.string().max(1_000),
  shape: z.array(z.number().int().min(0)).max(8),
  dtype: z.string().max(20),
  quantization: z
    .object({ dtype: z.string().max(20), scale: z.number().optional(), min: z.number().optional() })
    .optional(),
});
const modelSchema = z.object({
  format: z.string().optional(),
  modelTopology: z.unknown(),
  weightsManifest: z
    .array(z.object({ paths: z.array(z.string()).max(maxFiles), weights: z.array(weightSchema).max(50_000) }))
    .max(maxFiles),
});
type Weight = z.output<typeof weightSchema>;

/** @param path of model.json. @throws QcError weights-… */
export function readTfjs(path: string): Promise<WeightFile> {
  return withFiles(async (open) => {
    const index = await open(path);
    const text = textOf(await index.read(0, Math.min(index.size, maxJson)));
    const { format, modelTopology, weightsManifest } = parseJson(index.name, text, modelSchema);
    const found: NamedTensor[] = [];
    for (const { paths, weights } of weightsManifest) {
      const shards: Bytes[] = [];
      for (const named of paths)
        shards.push(await open(join(dirname(path), requirePlainName(index.name, named))));
      found.push(...tensorsIn(index.name, weights, shards));
    }
    const isGraph = format === 'graph-model';
    const tensors = collect(index.name, isGraph ? found.flatMap(asLayer) : found);
    return {
      format: isGraph ? 'TensorFlow.js graph model' : 'TensorFlow.js layers model',
      tensors,
      config: configOf(modelTopology),
    };
  });
}

/** Keras wraps the topology if it wrote the file itself. */
function configOf(topology: unknown): unknown {
  const wrapped = check(z.looseObject({ model_config: z.looseObject({}) }), topology);
  return wrapped.success ? wrapped.data.model_config : topology;
}

/** One group: its files together are one sequence of bytes. */
function tensorsIn(file: string, weights: readonly Weight[], shards: readonly Bytes[]): NamedTensor[] {
  const total = shards.reduce((sum, { size }) => sum + size, 0);
  let at = 0;
  return weights.flatMap(({ name, shape, dtype, quantization }) => {
    const count = countOf(file, name, shape);
    const stored = quantization?.dtype ?? dtype;
    // The lengths of texts are stored between them: nothing after a text can be found.
    if (!isStoredType(stored))
      throw unsupported(file, `${shown(name)} is stored as ${shown(stored)}, which is not read`);
    const length = count * widthOf(stored);
    const from = at;
    at += length;
    if (at > total)
      throw damaged(
        file,
        `${shown(name)} ends at byte ${at} of its files, which have ${total}: one is cut off`,
      );
    const read = async () => toFloat32(await across(file, shards, from, length), stored);
    return [{ name, shape, dtype: stored, read: dequantized(read, stored, quantization) }];
  });
}

/** value · scale + min, as written by the converter; float16 has neither. */
function dequantized(
  read: () => Promise<Float32Array>,
  stored: StoredType,
  quantization: Weight['quantization'],
): () => Promise<Float32Array> {
  if (!quantization || stored === 'float16') return read;
  const { scale = 1, min = 0 } = quantization;
  return async () => (await read()).map((value) => value * scale + min);
}

async function across(
  file: string,
  shards: readonly Bytes[],
  from: number,
  length: number,
): Promise<Uint8Array> {
  let start = 0;
  const parts: Uint8Array[] = [];
  for (const shard of shards) {
    const [first, last] = [Math.max(from, start), Math.min(from + length, start + shard.size)];
    if (first < last) parts.push(await shard.read(first - start, last - first));
    start += shard.size;
  }
  const [only] = parts;
  if (parts.length === 1) return only!;
  const bytes = Buffer.concat(parts);
  if (bytes.length !== length) throw damaged(file, `a weight has ${bytes.length} of ${length} bytes`);
  return bytes;
}

/** The converter folds batch normalisation into the convolution and names the rest after its operator. */
const operators: Readonly<Record<string, string>> = {
  Conv2D_weights: 'kernel',
  Conv2D_bn_offset: 'bias',
  depthwise_weights: 'depthwise_kernel',
  depthwise_bn_offset: 'bias',
};

function asLayer(tensor: NamedTensor): NamedTensor[] {
  const parts = tensor.name.replace(/^StatefulPartitionedCall\/(?:[^/]+\/)?/, '').split('/');
  const weight = operators[parts.pop() ?? ''];
  return weight === undefined ? [] : [{ ...tensor, name: `${parts.join('/')}/${weight}` }];
}
