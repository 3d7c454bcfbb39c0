/** Chooses the reader for a file or folder by its content, not by its name. */
import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { QcError } from '../../../config/errors.ts';
import { openZip } from '../../disk/zip.ts';
import { besides } from './besides.ts';
import { damaged, unsupported } from './bytes.ts';
import { hdf5Start } from './hdf5/file.ts';
import { readKerasH5, readKerasZip } from './keras.ts';
import { legacyStart, readPytorchLegacy, readPytorchZip } from './pytorch.ts';
import { readSafetensors, readShardedSafetensors } from './safetensors.ts';
import { readTensorBundle } from './tensor-bundle.ts';
import { shown, type WeightFile } from './tensors.ts';
import { readTfjs } from './tfjs.ts';

/** @param path a file, or a folder of a hub. @throws QcError weights-… */
export async function openWeights(path: string): Promise<WeightFile> {
  const facts = await stat(path).catch((cause) => {
    throw new QcError('weights-missing', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  });
  const file = facts.isDirectory() ? await fileIn(path) : path;
  const weights = await openFile(file);
  return { ...(await besides(dirname(file))), ...weights };
}

/** For a folder, in this order: the first pattern that matches exactly one file decides. */
const patterns = [
  /^saved_model\.pb$/,
  /\.safetensors\.index\.json$/,
  /\.safetensors$/,
  /^model\.json$/,
  /\.keras$/,
  /\.(?:h5|hdf5)$/,
  /\.(?:pth|pt|bin)$/,
  /\.etlt$/,
];

/** Whether a folder has a file of weights. */
export async function hasWeights(folder: string): Promise<boolean> {
  const names = await readdir(folder);
  return names.some((name) => patterns.some((pattern) => pattern.test(name)));
}

async function fileIn(folder: string): Promise<string> {
  const names = (await readdir(folder)).sort();
  for (const pattern of patterns) {
    const found = names.filter((name) => pattern.test(name));
    if (found.length > 1) {
      throw new QcError(
        'weights-missing',
        `${folder} has several files of weights: ${found.slice(0, 5).join(', ')}`,
        {
          remedy: 'name one of the files',
        },
      );
    }
    if (found[0] !== undefined) return join(folder, found[0]);
  }
  throw new QcError('weights-missing', `${folder} has no known file of weights`, {
    remedy: 'name the file; docs/bases.md lists the formats',
  });
}

const startLength = 512;

async function openFile(path: string): Promise<WeightFile> {
  const name = basename(path);
  if (/\.(?:etlt|tlt)$/.test(name)) {
    throw unsupported(
      name,
      'it is encrypted by NVIDIA TAO',
      'export it as ONNX with the key that it was made with (tao model classification_tf2 export), or take the .hdf5 of the same model',
    );
  }
  if (name === 'saved_model.pb') return readTensorBundle(join(dirname(path), 'variables', 'variables.index'));
  if (name.endsWith('.index')) return readTensorBundle(path);
  const start = await startOf(path);
  const text = start.toString('latin1');
  if (start.subarray(0, 8).equals(hdf5Start)) return readKerasH5(path);
  if (text.startsWith('PK\x03\x04')) return openZipped(path, name);
  if (start.subarray(0, legacyStart.length).equals(legacyStart)) return readPytorchLegacy(path);
  if (text.startsWith('\x1f\x8b'))
    throw unsupported(name, 'it is compressed with gzip', `unpack it first: gunzip ${name}`);
  if (text.startsWith('version https://git-lfs'))
    throw unsupported(
      name,
      'it only points to the file (Git LFS)',
      'fetch it with git lfs pull, or download it from the page of the hub',
    );
  if (/^\s*<(?:!doctype|html)/i.test(text))
    throw unsupported(
      name,
      'it is a web page',
      'download the file itself: the address needs a log-in or has moved',
    );
  if (text.includes('ustar') || text.startsWith('\x80'))
    throw unsupported(
      name,
      'it is a pickle, but none that PyTorch wrote since 2016',
      'save it again with torch.save',
    );
  // The length of a header of at most 100 MB leaves the upper bytes 0.
  if (text[7] === '\0' && text[8] === '{') return readSafetensors(path);
  if (/^\s*\{/.test(text))
    return name.endsWith('.index.json') ? readShardedSafetensors(path) : readTfjs(path);
  throw unsupported(name, `no known format begins with ${start.subarray(0, 8).toString('hex') || 'nothing'}`);
}

async function startOf(path: string): Promise<Buffer> {
  await using handle = await open(path, 'r').catch((cause) => {
    throw new QcError('weights-missing', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  });
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(startLength), 0, startLength, 0);
  return buffer.subarray(0, bytesRead);
}

async function openZipped(path: string, name: string): Promise<WeightFile> {
  const zip = await openZip(path, 100_000).catch((cause) => {
    throw damaged(name, `it is not a complete zip file: ${(cause as Error).message}`, cause);
  });
  const entries = [...zip.sizes.keys()];
  await zip[Symbol.asyncDispose]();
  if (entries.includes('model.weights.h5')) return readKerasZip(path, name);
  if (entries.some((entry) => entry.endsWith('/data.pkl'))) return readPytorchZip(path, name);
  throw unsupported(name, `it is a zip of other files: ${entries.slice(0, 3).map(shown).join(', ')}`);
}
