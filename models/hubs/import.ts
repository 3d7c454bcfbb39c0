/**
 * Makes a base from published weights: recognises them, rebuilds the network as ONNX, runs it once, and writes it with its
 * manifest to `<storage>/bases`. An .onnx is not rebuilt (import-onnx.ts).
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
  /** A file, or a folder of a hub. */
  readonly path: string;
  readonly storageDirectory: string;
  /** Architecture according to the user, if the file does not show it. */
  readonly architecture?: string | undefined;
  /** Default: derived from the file name. */
  readonly name?: string | undefined;
  /** Default: from the files next to it. */
  readonly licence?: string | undefined;
  /** Origin of the download, for the manifest. */
  readonly source?: string | undefined;
  /** The user may use weights whose licence excludes commercial use; default: they are imported. */
  readonly acceptLicence?: boolean | undefined;
  /** Size of the input images, pixels. Default: from the .onnx or the files next to it, otherwise 224×224. */
  readonly size?: Size | undefined;
  /** `last`: the average of the last map, as defined by its publisher; `stages`: average and maximum of stages 2 and 3. */
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
    throw new QcError('weights-unsupported', `${path} is not an .onnx, to which these options apply`, {
      remedy: 'leave out --layout, --channels, --scale, --mean, --std and the name of a tensor',
    });
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

/** An .onnx: the file itself, or that of a folder of Hugging Face without other weights. */
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
      remedy: 'use --features last',
    });
  const pooled = features === 'stages' ? stages : [built.output];
  const whole = draft.finish(network.name, pooled, features === 'stages');
  return { ...withoutRest(whole), maps: mapsOf(built, size) };
}

/** Omits layers after the features. */
function withoutRest({ model, size }: { readonly model: OnnxModel; readonly size: number }) {
  const cut = cutAt(model, 'features');
  const output = [valueInfo('features', ['N', size])];
  return { model: changed(cut, { graph: changed(cut.graph!, { output }) }), features: size };
}

/** Both, or none: heads that look at places need both. */
function mapsOf(built: Built, { width, height }: Size): Rebuilt['maps'] {
  const found = ([8, 16] as const).flatMap((stride) => {
    const map: Map4 | undefined = built.maps.get(stride === 8 ? 'stage2' : 'stage3');
    // The padding of Keras loses a row for odd sizes, which models/base.ts would expect.
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
