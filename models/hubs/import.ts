/**
 * A base from somebody else's weights, top to bottom: recognised, rebuilt as ONNX, run once, and put below `<storage>/bases` with
 * its manifest. An .onnx with a manifest beside it is proved and copied.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { QcError } from '../../config/errors.ts';
import { embeddedBases, openBase, wholeGraph } from '../base.ts';
import { writeDurably } from '../disk/durable.ts';
import { makeFolders } from '../disk/folders.ts';
import { basesIn } from '../disk/layout.ts';
import { type BaseManifest, manifestText } from '../manifest.ts';
import { valueInfo } from '../onnx/build.ts';
import { cutAt } from '../onnx/cut.ts';
import { changed, encodeModel, type OnnxModel } from '../onnx/proto.ts';
import { openSession } from '../run/session.ts';
import { checkImage, recordCheck } from '../run/warm-up-check.ts';
import { GraphDraft, type Map4 } from './architectures/draft.ts';
import type { Built, Network } from './architectures/network.ts';
import { recogniseNetwork, requireAllUsed } from './architectures/recognise.ts';
import { licenceBeside } from './licence.ts';
import { openWeights } from './read/recognise.ts';

export interface ImportRequest {
  /** A file, or a folder as a hub hands it out. */
  readonly path: string;
  readonly storageDirectory: string;
  /** What the user says it is, where the file cannot tell. */
  readonly architecture?: string | undefined;
  /** Default: after the file. */
  readonly name?: string | undefined;
  /** Default: what the files beside it say. */
  readonly licence?: string | undefined;
  /** Of the images that it will be fed, pixels. */
  readonly size: { readonly width: number; readonly height: number };
  /** `last`: the average of the last map, as its publisher has it; `stages`: average and maximum of stages 2 and 3. */
  readonly features: 'last' | 'stages';
}

export interface ImportedBase {
  readonly manifest: BaseManifest;
  /** The .onnx below the storage directory. */
  readonly file: string;
  readonly bytes: number;
  /** Undefined where an .onnx was imported as it is. */
  readonly found:
    | {
        readonly format: string;
        readonly tensors: number;
        readonly network: string;
        readonly source: string;
        readonly prefix: string;
        /** Tensors that the base does not need: a classifier, the state of a training. */
        readonly unused: readonly string[];
      }
    | undefined;
}

/** Where no file says it. */
const unknownLicence = 'not stated';

/** @throws QcError weights-…, model-…, base-exists */
export async function importBase(request: ImportRequest): Promise<ImportedBase> {
  const path = resolve(request.path);
  if (path.endsWith('.onnx')) return importOnnx(path, request);
  await using weights = await openWeights(path);
  const network = recogniseNetwork(weights, request.architecture);
  const name = await freeName(request, request.name ?? nameAfter(path));
  const rebuilt = await rebuild(network, request);
  const { manifest, bytes } = describe(name, rebuilt, {
    preprocessing: network.preprocessing,
    size: request.size,
    licence: request.licence ?? (await licenceBeside(path, weights.config)) ?? unknownLicence,
    origin: `${network.name}, rebuilt from ${basename(path)} (${weights.format}${await hashOf(path)})`,
  });
  const file = await install(request.storageDirectory, manifest, bytes);
  const found = {
    format: weights.format,
    tensors: weights.tensors.size,
    network: network.name,
    source: network.source,
    prefix: network.prefix,
    unused: network.layers.unused(),
  };
  return { ...file, bytes: bytes.length, found };
}

interface Rebuilt {
  readonly model: OnnxModel;
  /** Features of one image. */
  readonly features: number;
  readonly maps: NonNullable<BaseManifest['maps']>;
}

async function rebuild(network: Network, { size, features }: ImportRequest): Promise<Rebuilt> {
  const draft = new GraphDraft(network.layers, size);
  const built = await network.build(draft);
  requireAllUsed(network);
  const stages = [built.maps.get('stage2'), built.maps.get('stage3')].filter((map) => map !== undefined);
  if (features === 'stages' && stages.length < 2)
    throw new QcError('weights-unsupported', `${network.name} has no maps of stages 2 and 3`, {
      remedy: 'take --features last',
    });
  const pooled = features === 'stages' ? stages : [built.output];
  const whole = draft.finish(network.name, pooled, features === 'stages');
  return { ...withoutRest(whole), maps: mapsOf(built, size) };
}

/** Layers behind the features are left out. */
function withoutRest({ model, size }: { readonly model: OnnxModel; readonly size: number }) {
  const cut = cutAt(model, 'features');
  const output = [valueInfo('features', ['N', size])];
  return { model: changed(cut, { graph: changed(cut.graph!, { output }) }), features: size };
}

/** Both, or none: heads that look at places take both. */
function mapsOf(built: Built, { width, height }: ImportRequest['size']): Rebuilt['maps'] {
  const found = ([8, 16] as const).flatMap((stride) => {
    const map: Map4 | undefined = built.maps.get(stride === 8 ? 'stage2' : 'stage3');
    // Padding as Keras does it loses a row where the size is odd: models/base.ts would expect it.
    const isWhole = map?.height === Math.ceil(height / stride) && map.width === Math.ceil(width / stride);
    return map && isWhole ? [{ tensor: map.tensor, stride, channels: map.channels }] : [];
  });
  return found.length === 2 ? found : [];
}

interface Facts {
  readonly preprocessing: Network['preprocessing'];
  readonly size: ImportRequest['size'];
  readonly licence: string;
  readonly origin: string;
}

function describe(name: string, { model, features, maps }: Rebuilt, facts: Facts) {
  const bytes = encodeModel(model);
  const manifest: BaseManifest = {
    schema: 1,
    name,
    file: `${name}.onnx`,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    licence: facts.licence,
    origin: facts.origin,
    opset: 13,
    precision: 'fp32',
    input: { name: 'input', layout: 'NCHW', ...facts.size, ...facts.preprocessing },
    features: { tensor: 'features', pool: 'none', size: features },
    maps,
    figures: {},
  };
  return { manifest, bytes };
}

/** Runs the base once, and keeps it where it gives features. */
async function install(storageDirectory: string, manifest: BaseManifest, model: Uint8Array) {
  const folder = basesIn(storageDirectory);
  await makeFolders(folder);
  const staging = await mkdtemp(join(folder, '.import-'));
  try {
    const draft = join(staging, manifest.file);
    await writeFile(draft, model);
    await writeFile(draft.replace(/\.onnx$/, '.json'), manifestText(manifest));
    const whole = manifest.check ? manifest : { ...manifest, check: await checkOf(draft, manifest) };
    const file = join(folder, manifest.file);
    await writeDurably(file, model);
    await writeDurably(join(folder, `${manifest.name}.json`), manifestText(whole));
    return { manifest: whole, file };
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
      'the base gives no features for a drawn picture: its weights are damaged',
    );
  return recordCheck(features);
}

/** An .onnx that has its manifest beside it: proved, and copied in one file. */
async function importOnnx(path: string, request: ImportRequest): Promise<ImportedBase> {
  const base = await openBase({ base: path, precision: 'auto' });
  const name = await freeName(request, request.name ?? base.manifest.name);
  const isAsItIs = base.model === path;
  const model = isAsItIs ? new Uint8Array(await readFile(path)) : encodeModel(await wholeGraph(base));
  const sha256 = createHash('sha256').update(model).digest('hex');
  const licence = request.licence ?? base.manifest.licence;
  const manifest = { ...base.manifest, name, file: `${name}.onnx`, sha256, licence };
  return {
    ...(await install(request.storageDirectory, manifest, model)),
    bytes: model.length,
    found: undefined,
  };
}

/** After the file, or the folder where files have the same name everywhere (model.safetensors). */
function nameAfter(path: string): string {
  const own = basename(path).replace(/\.(?:index\.json|weights\.h5|[A-Za-z]\w{0,11})$/, '');
  const isCommon = /^(?:model|pytorch_model|tf_model|saved_model|variables|weights)(?:[._-].*)?$/.test(own);
  const name = isCommon ? basename(dirname(path)) : own;
  return name.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'imported';
}

const nameRule = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** @throws QcError base-exists */
async function freeName({ storageDirectory }: ImportRequest, name: string): Promise<string> {
  const exists = (what: string) => new QcError('base-exists', what);
  if (!nameRule.test(name) || /\.(?:int8|fp16|onnx|json)$/.test(name) || name.length > 100)
    throw new QcError('base-exists', `"${name}" cannot be the name of a base`, {
      remedy: 'choose a name of letters, digits, dot, - and _ with --name',
    });
  for (const place of [embeddedBases, basesIn(storageDirectory)]) {
    const isTaken = await access(join(place, `${name}.json`)).then(
      () => true,
      () => false,
    );
    if (isTaken) throw exists(`there is a base named ${name} in ${place}`);
  }
  return name;
}

/** Of a file; a folder has none. */
async function hashOf(path: string): Promise<string> {
  if ((await stat(path)).isDirectory()) return '';
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return `, sha256 ${hash.digest('hex')}`;
}
