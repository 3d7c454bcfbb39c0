/**
 * Damaged files, made from a seed: a reader must read them or refuse them with a QcError, quickly and with limited memory.
 */
import { cp, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Random, seededRandom } from '../../../calibration/train/random.ts';
import { QcError } from '../../../config/errors.ts';
import { GraphDraft } from '../../../models/hubs/architectures/draft.ts';
import { recogniseNetwork, requireAllUsed } from '../../../models/hubs/architectures/recognise.ts';
import { readProposal } from '../../../models/hubs/onnx/propose.ts';
import { crc32c } from '../../../models/hubs/read/crc32c.ts';
import { openWeights } from '../../../models/hubs/read/recognise.ts';
import type { WeightFile } from '../../../models/hubs/read/tensors.ts';
import { unpacked } from './fixtures.ts';

export interface FuzzTarget {
  readonly name: string;
  /** A fixture: a file, or a file in a folder that is copied with it. */
  readonly path: string;
  /** The file of its folder that is damaged, if it is not the file itself. */
  readonly damages?: string;
  /** Another file that is needed. */
  readonly beside?: string;
  /** Whether blocks of the file have checksums, which are corrected so that the code after them is tested, too. */
  readonly isTable?: boolean;
}

export const targets: readonly FuzzTarget[] = [
  { name: 'safetensors', path: 'transformers/resnet50-bf16/model.safetensors' },
  { name: 'safetensors index', path: 'transformers/resnet50-sharded/model.safetensors.index.json' },
  { name: 'PyTorch zip', path: 'torchvision/resnet50-small-dino-full.pth' },
  { name: 'PyTorch legacy', path: 'torchvision/resnet50-small-legacy.pth' },
  { name: 'HDF5 (Keras 1)', path: 'keras/vgg16/notop-weights-keras1.h5' },
  { name: 'HDF5 (new groups)', path: 'hdf5/vgg16-notop-libver-latest.h5' },
  { name: 'Keras zip', path: 'keras/vgg16/model.keras' },
  { name: 'TensorFlow.js', path: 'tfjs/layers-model-uint8/model.json' },
  { name: 'TensorFlow.js graph', path: 'tfjs/graph-model/model.json' },
  {
    name: 'TensorBundle index',
    path: 'savedmodel/keras3-vgg16/variables/variables.index',
    isTable: true,
  },
  {
    name: 'TensorBundle data',
    path: 'savedmodel/keras3-vgg16/variables/variables.index',
    damages: 'variables.data-00000-of-00001',
  },
  { name: 'ONNX', path: 'onnx/fp16-export.onnx' },
  { name: 'ONNX (NHWC)', path: 'onnx/tf2onnx-nhwc.onnx' },
  { name: 'ONNX (data beside)', path: 'onnx/dynamo.onnx', beside: 'onnx/dynamo.onnx.data' },
];

export interface FuzzReport {
  readonly inputs: number;
  /** Number of damaged files that were read: the damage was in values or unused bytes. */
  readonly read: number;
  readonly slowestMs: number;
  /** Maximum size of array buffers above the start, bytes. */
  readonly maxMemory: number;
  /** Errors other than a QcError. */
  readonly surprises: readonly string[];
}

/** Number of tensors of each file whose values are read. */
const maxRead = 6;
/** Interval of readable inputs from which the network is rebuilt, too. */
const rebuiltEvery = 8;

/** @param folder an empty folder */
export async function fuzz(
  { path, damages, beside, isTable = false }: FuzzTarget,
  { inputs, seed, folder }: { readonly inputs: number; readonly seed: number; readonly folder: string },
): Promise<FuzzReport> {
  const random = seededRandom(seed);
  const source = await unpacked(path, folder);
  if (beside !== undefined) await unpacked(beside, folder);
  const place = join(folder, 'damaged');
  await cp(dirname(source), place, { recursive: true });
  const opened = join(place, basename(source));
  const file = damages === undefined ? opened : join(place, damages);
  const original = await readFile(file);
  const before = process.memoryUsage().arrayBuffers;
  const surprises: string[] = [];
  let [read, slowestMs, maxMemory] = [0, 0, 0];
  for (let i = 0; i < inputs; i++) {
    const bytes = damaged(original, random);
    await writeFile(file, isTable ? withChecksums(bytes) : bytes);
    const started = performance.now();
    try {
      await use(opened, random, i % rebuiltEvery === 0);
      read++;
    } catch (error) {
      if (!(error instanceof QcError) || !/^(?:weights|model)-/.test(error.code))
        surprises.push(`input ${i}: ${(error as Error).stack ?? error}`);
    }
    slowestMs = Math.max(slowestMs, performance.now() - started);
    maxMemory = Math.max(maxMemory, process.memoryUsage().arrayBuffers - before);
  }
  return { inputs, read, slowestMs, maxMemory, surprises };
}

async function use(path: string, random: Random, rebuilds: boolean): Promise<void> {
  if (!(await stat(path)).isFile()) return;
  if (path.endsWith('.onnx')) {
    await readProposal(path);
    return;
  }
  await using weights = await openWeights(path);
  const tensors = [...weights.tensors.values()];
  for (let i = 0; i < maxRead && tensors.length > 0; i++)
    await tensors[random.integer(tensors.length)]!.read();
  if (rebuilds) await rebuild(weights);
}

async function rebuild(weights: WeightFile): Promise<void> {
  const network = recogniseNetwork(weights);
  const draft = new GraphDraft(network.layers, { width: 64, height: 64 });
  const { output } = await network.build(draft);
  requireAllUsed(network);
  draft.finish('fuzz', [output], false);
}

/** Extreme values for lengths, offsets and counts. */
const extremes = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** One or several changes, more often at the beginning with the headers. */
function damaged(original: Buffer, random: Random): Buffer {
  let bytes: Buffer = Buffer.from(original);
  const place = () => {
    const until = random.pick([64, 1_024, 16_384, bytes.length, bytes.length] as const);
    return random.integer(Math.max(1, Math.min(until, bytes.length)));
  };
  const changes = 1 + random.integer(4);
  for (let i = 0; i < changes; i++) {
    const at = place();
    switch (random.integer(8)) {
      case 0:
        bytes[at] = bytes[at]! ^ (1 << random.integer(8));
        break;
      case 1:
        bytes[at] = random.integer(256);
        break;
      case 2:
        if (at + 4 <= bytes.length) bytes.writeUInt32LE(extremes[random.integer(extremes.length)]!, at);
        break;
      case 3:
        if (at + 8 <= bytes.length)
          bytes.writeBigUInt64LE(
            BigInt.asUintN(64, BigInt(random.pick([-1, 2 ** 31, 2 ** 53, 2 ** 62]))),
            at,
          );
        break;
      case 4:
        bytes = bytes.subarray(0, at);
        break;
      case 5: {
        // Copies a piece to another place.
        const from = place();
        const length = Math.min(1 + random.integer(64), bytes.length - Math.max(at, from));
        if (length > 0) bytes.copy(bytes, at, from, from + length);
        break;
      }
      case 6:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.integer(16))]);
        break;
      default: {
        const more = Buffer.from(Array.from({ length: 1 + random.integer(16) }, () => random.integer(256)));
        bytes = Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]);
      }
    }
  }
  return bytes;
}

/** Corrects the checksum after each block of a table, as far as its index can be read. */
function withChecksums(bytes: Buffer): Buffer {
  const varint = (at: number): [value: number, next: number] => {
    let value = 0;
    for (let shift = 0; shift < 49; shift += 7, at++) {
      const byte = bytes[at] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return [value, at + 1];
  };
  const seal = ([offset, size]: readonly [number, number]) => {
    if (offset + size + 5 <= bytes.length)
      bytes.writeUInt32LE(crc32c(bytes.subarray(offset, offset + size + 1)), offset + size + 1);
  };
  const handle = (at: number) => {
    const [offset, next] = varint(at);
    const [size, end] = varint(next);
    return { block: [offset, size] as const, end };
  };
  if (bytes.length < 48) return bytes;
  const { end } = handle(bytes.length - 48);
  const index = handle(end).block;
  seal(index);
  const [offset, size] = index;
  const last = Math.min(offset + size, bytes.length - 48) - 4;
  if (last < offset) return bytes;
  // After the entries: offsets of restart points, and their number.
  const until = last - 4 * bytes.readUInt32LE(last);
  for (let at = offset; at < until; ) {
    const [, own] = varint(at);
    const [keyLength, third] = varint(own);
    const [valueLength, key] = varint(third);
    seal(handle(key + keyLength).block);
    at = key + keyLength + Math.max(1, valueLength);
  }
  return bytes;
}
