/**
 * A base from somebody else's weights, top to bottom: recognised, rebuilt as ONNX, run once, and put below `<storage>/bases` with
 * its manifest. An .onnx is not rebuilt (import-onnx.ts).
 */
import { createHash } from 'node:crypto';
import { access } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { QcError } from '../../config/errors.ts';
import type { BaseManifest } from '../manifest.ts';
import { valueInfo } from '../onnx/build.ts';
import { cutAt } from '../onnx/cut.ts';
import { changed, encodeModel, type OnnxModel } from '../onnx/proto.ts';
import { GraphDraft } from './architectures/draft.ts';
import type { Map4 } from './architectures/geometry.ts';
import type { Built, Network } from './architectures/network.ts';
import { recogniseNetwork, requireAllUsed } from './architectures/recognise.ts';
import { importOnnx } from './import-onnx.ts';
import { freeName, hashOf, type Installed, install, nameAfter, unknownLicence } from './install.ts';
import { licenceBeside, requireLicence } from './licence.ts';
import type { OnnxChoices, Proposal } from './onnx/propose.ts';
import { hasWeights, openWeights } from './read/recognise.ts';

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
  /** Where it was downloaded, for the manifest. */
  readonly source?: string | undefined;
  /** The user may use weights whose licence excludes commercial use; default: they are imported. */
  readonly acceptLicence?: boolean | undefined;
  /** Of the input images, pixels. Default: what an .onnx or the files beside it say, otherwise 224×224. */
  readonly size?: Size | undefined;
  /** `last`: the average of the last map, as its publisher has it; `stages`: average and maximum of stages 2 and 3. */
  readonly features: 'last' | 'stages';
  /** For an .onnx without a manifest: what replaces the proposal. */
  readonly onnx?: Omit<OnnxChoices, 'size' | 'stages'> | undefined;
  /** Asked before an .onnx without a manifest is imported as proposed; default: yes. */
  readonly confirm?: ((proposal: Proposal) => Promise<boolean>) | undefined;
}

interface Size {
  readonly width: number;
  readonly height: number;
}
const usualSize: Size = { width: 224, height: 224 };

export interface ImportedBase extends Installed {
  /** Of an .onnx without a manifest. */
  readonly proposal?: Proposal | undefined;
  /** Undefined if an .onnx was imported. */
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

/** @throws QcError weights-…, model-…, base-exists, import-declined */
export async function importBase(request: ImportRequest): Promise<ImportedBase> {
  const path = resolve(request.path);
  const { storageDirectory, size = usualSize } = request;
  const onnx = await onnxAt(path);
  if (onnx !== undefined) {
    const stages = request.features === 'stages' || undefined;
    const choices: OnnxChoices = { ...request.onnx, size: request.size, stages };
    return { ...(await importOnnx({ ...request, path: onnx, choices })), found: undefined };
  }
  if (Object.values(request.onnx ?? {}).some((value) => value !== undefined))
    throw new QcError(
      'weights-unsupported',
      `${path} is no .onnx, whose input and tensors the options describe`,
      {
        remedy: 'leave out --layout, --channels, --scale, --mean, --std and the name of a tensor',
      },
    );
  await using weights = await openWeights(path);
  const network = recogniseNetwork(weights, request.architecture);
  const name = await freeName(storageDirectory, request.name ?? nameAfter(path));
  const licence = request.licence ?? (await licenceBeside(path, weights.config)) ?? unknownLicence;
  requireLicence(licence, request.acceptLicence ?? true);
  const rebuilt = await rebuild(network, size, request.features);
  const { manifest, bytes } = describe(name, rebuilt, {
    network: network.name,
    preprocessing: network.preprocessing,
    size,
    licence,
    origin: `${network.name}, rebuilt from ${basename(path)} (${weights.format}${await hashOf(path)})${fromWhere(request)}`,
  });
  const installed = await install(storageDirectory, manifest, bytes);
  const found = {
    format: weights.format,
    tensors: weights.tensors.size,
    network: network.name,
    source: network.source,
    prefix: network.prefix,
    unused: network.layers.unused(),
  };
  return { ...installed, found };
}

/** An .onnx: the file itself, or that of a folder without other weights, as Hugging Face has it. */
async function onnxAt(path: string): Promise<string | undefined> {
  if (path.endsWith('.onnx')) return path;
  for (const place of ['model.onnx', 'onnx/model.onnx']) {
    const file = join(path, place);
    const isThere = await access(file).then(
      () => true,
      () => false,
    );
    if (isThere && !(await hasWeights(path))) return file;
  }
  return undefined;
}

/** For the origin in a manifest. */
const fromWhere = ({ source }: ImportRequest) => (source === undefined ? '' : `, from ${source}`);

interface Rebuilt {
  readonly model: OnnxModel;
  /** Features of one image. */
  readonly features: number;
  readonly maps: NonNullable<BaseManifest['maps']>;
}

async function rebuild(network: Network, size: Size, features: ImportRequest['features']): Promise<Rebuilt> {
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
function mapsOf(built: Built, { width, height }: Size): Rebuilt['maps'] {
  const found = ([8, 16] as const).flatMap((stride) => {
    const map: Map4 | undefined = built.maps.get(stride === 8 ? 'stage2' : 'stage3');
    // Padding as Keras does it loses a row where the size is odd: models/base.ts would expect it.
    const isWhole = map?.height === Math.ceil(height / stride) && map.width === Math.ceil(width / stride);
    return map && isWhole ? [{ tensor: map.tensor, stride, channels: map.channels }] : [];
  });
  return found.length === 2 ? found : [];
}

interface Facts {
  readonly network: string;
  readonly preprocessing: Network['preprocessing'];
  readonly size: Size;
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
    network: facts.network,
    precision: 'fp32',
    input: { name: 'input', layout: 'NCHW', ...facts.size, ...facts.preprocessing },
    features: { tensor: 'features', pool: 'none', size: features },
    maps,
    figures: {},
  };
  return { manifest, bytes };
}
