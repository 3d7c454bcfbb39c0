/** Installs a base in `<storage>/bases`: names it, runs it once, measures it, and writes it with its manifest. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { QcError } from '../../config/errors.ts';
import { embeddedBases } from '../base.ts';
import { writeDurably } from '../disk/durable.ts';
import { makeFolders } from '../disk/folders.ts';
import { basesIn } from '../disk/layout.ts';
import { type BaseManifest, manifestText } from '../manifest.ts';
import { openSession } from '../run/session.ts';
import { checkImage, recordCheck } from '../run/warm-up-check.ts';
import { costOf } from './cost.ts';

/** Licence if no file states it. */
export const unknownLicence = 'not stated';

export interface Installed {
  readonly manifest: BaseManifest;
  /** The .onnx below the storage directory. */
  readonly file: string;
  readonly bytes: number;
}

/** Runs the base once, and keeps it if it gives features. @throws QcError model-…, weights-damaged */
export async function install(
  storageDirectory: string,
  manifest: BaseManifest,
  model: Uint8Array,
): Promise<Installed> {
  const folder = basesIn(storageDirectory);
  await makeFolders(folder);
  const staging = await mkdtemp(join(folder, '.import-'));
  try {
    const draft = join(staging, manifest.file);
    await writeFile(draft, model);
    await writeFile(draft.replace(/\.onnx$/, '.json'), manifestText(manifest));
    const check = manifest.check ?? (await checkOf(draft, manifest));
    const isFloat = manifest.precision === 'fp32';
    const whole = { ...manifest, check, ...(isFloat && { cost: await costOf(draft) }) };
    const file = join(folder, manifest.file);
    await writeDurably(file, model);
    await writeDurably(join(folder, `${manifest.name}.json`), manifestText(whole));
    return { manifest: whole, file, bytes: model.length };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function checkOf(base: string, { input }: BaseManifest): Promise<BaseManifest['check']> {
  await using session = await openSession({ base, precision: 'auto', provider: 'cpu', threads: 0 });
  const features = await session.features(checkImage(input.width, input.height));
  if (!features.every(Number.isFinite) || features.every((value) => value === 0))
    throw new QcError(
      'weights-damaged',
      'the base gives no features for a test image: its weights are damaged',
    );
  return recordCheck(features);
}

/** Name of the file, or of the folder for common file names (model.safetensors, onnx/model.onnx). */
export function nameAfter(path: string): string {
  const own = basename(path).replace(/\.(?:index\.json|weights\.h5|[A-Za-z]\w{0,11})$/, '');
  const isCommon = /^(?:model|pytorch_model|tf_model|saved_model|variables|weights)(?:[._-].*)?$/.test(own);
  const folder = dirname(path);
  const above = basename(folder) === 'onnx' ? dirname(folder) : folder;
  const name = isCommon ? basename(above) : own;
  return name.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'imported';
}

const nameRule = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** @throws QcError base-exists */
export async function freeName(storageDirectory: string, name: string): Promise<string> {
  if (!nameRule.test(name) || /\.(?:int8|fp16|onnx|json)$/.test(name) || name.length > 100)
    throw new QcError('base-exists', `"${name}" cannot be the name of a base`, {
      remedy: 'choose a name of letters, digits, dot, - and _ with --name',
    });
  for (const place of [embeddedBases, basesIn(storageDirectory)]) {
    const isTaken = await access(join(place, `${name}.json`)).then(
      () => true,
      () => false,
    );
    if (isTaken) throw new QcError('base-exists', `there is a base named ${name} in ${place}`);
  }
  return name;
}

/** ", sha256 …" of a file; empty for a folder. */
export async function hashOf(path: string): Promise<string> {
  if ((await stat(path)).isDirectory()) return '';
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return `, sha256 ${hash.digest('hex')}`;
}
