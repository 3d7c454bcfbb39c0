/**
 * The frozen base on disk: found, proved to be what its manifest says, and cut to its features.
 *
 * Besides pooled features a base can give the maps of stages 2 and 3 (strides 8 and 16), for heads that look at places. They are
 * called `stage2` and `stage3` whatever the graph calls them; `mapShapes` says their sizes. Its manifest names them, or they are
 * found in the graph (onnx/maps.ts). A session computes them only while something needs them (run/mapped.ts).
 */
import { createHash } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { QcError } from '../config/errors.ts';
import { basesIn } from './disk/layout.ts';
import { type BaseManifest, readBaseManifest } from './manifest.ts';
import { readExternalData, withExternalData } from './onnx/external.ts';
import { type Besides, fedGraph, fitGraph } from './onnx/fit-manifest.ts';
import type { MapTensor, Pool, Stride } from './onnx/maps.ts';
import { decodeModel, encodeModel, type OnnxGraph, type OnnxModel } from './onnx/proto.ts';

export interface BaseRequest {
  /** An embedded or pulled name, or a path to an .onnx with its manifest beside it. */
  readonly base: string;
  readonly precision: 'auto' | 'fp32' | 'fp16' | 'int8';
  /** Where bases lie besides the embedded ones, and variants that were made here; none are looked for without it. */
  readonly storageDirectory?: string;
}

/** What is known of a base once it is proved: one float32 input of a fixed size, features as the output. */
export interface ProvedBase {
  readonly manifest: BaseManifest;
  readonly file: string;
  readonly output: string;
  readonly besides: Besides | undefined;
  /** Outputs for what was asked for besides, [N,C,H,W] each, in the order of `maps` or, once each, of `pools`. */
  readonly also: readonly string[];
  /** Maps of stages 2 and 3, by stride; empty where the base has none. */
  readonly maps: readonly MapTensor[];
  /** What the features are pooled from, in their order; undefined where that is not known. */
  readonly pools: readonly Pool[] | undefined;
  /** Names of free dimensions and the sizes to fix them at. */
  readonly dimensions: Readonly<Record<string, number>>;
  /** Which of them is the number of pictures; undefined where the graph takes one at a time. */
  readonly batch: string | undefined;
}

/** A base ready to be given to onnxruntime. */
export interface Base extends ProvedBase {
  /** The file as it is where its features are an output, else the graph cut at them. */
  readonly model: string | Uint8Array;
}

/** What heads call a map. */
export type MapName = 'stage2' | 'stage3';
const mapNames: Readonly<Record<Stride, MapName>> = { 8: 'stage2', 16: 'stage3' };
export const isMapName = (name: string): name is MapName => name === 'stage2' || name === 'stage3';

/** A map of one image, [channels,height,width]. */
export interface MapShape {
  readonly name: MapName;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** The maps that a base gives for one image, in the order of `maps`. */
export function mapShapes({ maps, manifest }: Pick<ProvedBase, 'maps' | 'manifest'>): readonly MapShape[] {
  const { width, height } = manifest.input;
  return maps.map(({ stride, channels }) => ({
    name: mapNames[stride],
    channels,
    height: Math.ceil(height / stride),
    width: Math.ceil(width / stride),
  }));
}

/** Embedded bases of earlier versions, and what took their place. */
const replacements: Readonly<Record<string, string>> = { 'resnet50-synthetic': 'resnet50-embedded' };

/** What took the place of an embedded base that is no longer part of this package; undefined for any other name. */
export const replacementOf = (base: string): string | undefined =>
  Object.hasOwn(replacements, base) ? replacements[base] : undefined;

/** Where the bases of this package lie, seen from dist/models. */
export const embeddedBases = fileURLToPath(new URL('../../models/base/', import.meta.url));

/**
 * Opens a base and proves hash, inputs and outputs against its manifest. Throws `model-missing`,
 * `model-damaged`, `model-mismatch` (saying what was found) or `precision-unavailable`.
 * @param besides what its graph is to give besides the features
 */
export async function openBase(request: BaseRequest, besides?: Besides): Promise<Base> {
  const manifestFile = await findManifest(request);
  const manifest = await readBaseManifest(manifestFile);
  const wanted = request.precision;
  if (wanted !== 'auto' && manifest.precision !== wanted) {
    throw new QcError(
      'precision-unavailable',
      `${manifestFile} describes a ${manifest.precision} model, not ${wanted}`,
    );
  }
  if (wanted === 'int8' || wanted === 'fp16') await requireSameOrigin(request, manifest);
  const file = join(dirname(manifestFile), manifest.file);
  const { model, isWhole, sha256 } = await readGraph(file);
  if (sha256.all !== manifest.sha256) throw otherFile(file, manifest, sha256);
  const { cut, ...fitted } = fitGraph(file, manifest, model, besides);
  const built = cut ?? (isWhole ? undefined : model);
  return { manifest, file, model: built ? encodeModel(built) : file, besides, ...fitted };
}

/** The graph of a proved base before it is cut, with all weights in it, as it is fed. @throws QcError as `openBase` */
export async function wholeGraph({ file, manifest }: ProvedBase): Promise<OnnxModel & { graph: OnnxGraph }> {
  const { model, sha256 } = await readGraph(file);
  if (sha256.all !== manifest.sha256) throw otherFile(file, manifest, sha256);
  return fedGraph(file, manifest, model);
}

interface Sha256 {
  /** Of the .onnx, followed by the files that hold its weights: all that decides. */
  readonly all: string;
  readonly alone: string;
  readonly files: readonly string[];
}

async function readGraph(file: string) {
  const bytes = await readModel(file);
  const parsed = parseModel(file, bytes);
  const damaged = (cause: unknown) =>
    new QcError('model-damaged', `${file}: ${(cause as Error).message}`, {
      cause,
      remedy:
        'put the file with its weights beside it, or export the model as one file (torch.onnx.export: external_data=False)',
    });
  const data = await readExternalData(file, parsed).catch((cause) => {
    throw damaged(cause);
  });
  const hash = createHash('sha256').update(bytes);
  const alone = hash.copy().digest('hex');
  for (const one of data.values()) hash.update(one);
  const sha256: Sha256 = { all: hash.digest('hex'), alone, files: [...data.keys()] };
  try {
    const model = withExternalData(parsed, data) as OnnxModel & { graph: OnnxGraph };
    return { model, isWhole: data.size === 0, sha256 };
  } catch (cause) {
    throw damaged(cause);
  }
}

function otherFile(file: string, { sha256 }: BaseManifest, { all, alone, files }: Sha256): QcError {
  if (alone === sha256) {
    const names = [basename(file), ...files];
    return new QcError(
      'model-mismatch',
      `${file}: its weights lie in ${files.join(', ')}, which the sha256 of the manifest does not cover`,
      {
        remedy: `set sha256 in the manifest to ${all} (cat ${names.join(' ')} | sha256sum), or export the model as one file (torch.onnx.export: external_data=False)`,
      },
    );
  }
  return new QcError(
    'model-damaged',
    `${[file, ...files].join(' with ')} is not the file its manifest describes: sha256 ${all}, expected ${sha256}`,
  );
}

async function findManifest({ base, precision, storageDirectory }: BaseRequest): Promise<string> {
  const directories = storageDirectory === undefined ? [] : [basesIn(storageDirectory)];
  const suffix = precision === 'fp16' || precision === 'int8' ? `.${precision}` : '';
  if (base.endsWith('.onnx')) {
    const path = resolve(base).slice(0, -'.onnx'.length);
    if (suffix !== '' && (await exists(`${path}${suffix}.json`))) return `${path}${suffix}.json`;
    if (!(await exists(`${path}.onnx`))) throw new QcError('model-missing', `there is no file ${path}.onnx`);
    if (await exists(`${path}.json`)) {
      return suffix === '' ? `${path}.json` : variantElsewhere(`${path}.json`, suffix, directories);
    }
    // A file that is no model at all is the likelier mistake than a missing manifest.
    parseModel(`${path}.onnx`, await readModel(`${path}.onnx`));
    throw new QcError('model-missing', `${path}.onnx has no manifest: ${path}.json is missing`, {
      remedy: 'write the manifest beside it: models/base/README.md shows how',
    });
  }
  const places = [embeddedBases, ...directories];
  const replacement = replacementOf(base);
  // Whoever keeps a copy of it below the storage directory goes on with that.
  if (replacement !== undefined && !(await isIn(places, base))) {
    return findManifest({
      base: replacement,
      precision,
      ...(storageDirectory !== undefined && { storageDirectory }),
    });
  }
  for (const place of places) {
    if (await exists(join(place, `${base}${suffix}.json`))) return join(place, `${base}${suffix}.json`);
  }
  for (const place of places) {
    if (suffix !== '' && (await exists(join(place, `${base}.json`)))) {
      throw new QcError('precision-unavailable', `the base ${base} has no ${precision} variant`);
    }
  }
  throw new QcError('model-missing', `there is no base named "${base}" in ${places.join(' or ')}`);
}

async function isIn(places: readonly string[], base: string): Promise<boolean> {
  const found = await Promise.all(places.map((place) => exists(join(place, `${base}.json`))));
  return found.includes(true);
}

/** Of a base that lies anywhere: it is beside it, or was made here and lies among the pulled ones under its name. */
async function variantElsewhere(
  manifestFile: string,
  suffix: string,
  directories: readonly string[],
): Promise<string> {
  const manifest = await readBaseManifest(manifestFile);
  if (`.${manifest.precision}` === suffix) return manifestFile;
  for (const place of directories) {
    const file = join(place, `${manifest.name}${suffix}.json`);
    if (await exists(file)) return file;
  }
  throw new QcError('precision-unavailable', `the base ${manifest.name} has no ${suffix.slice(1)} variant`);
}

/** A variant of a file that was replaced since is none: its features are others. */
async function requireSameOrigin(request: BaseRequest, variant: BaseManifest): Promise<void> {
  if (variant.variantOf === undefined) return;
  const float = await findManifest({ ...request, precision: 'fp32' }).catch(() => undefined);
  if (float === undefined) return;
  const { name, precision, sha256 } = await readBaseManifest(float);
  if (precision === variant.precision || sha256 === variant.variantOf) return;
  throw new QcError(
    'precision-unavailable',
    `the ${variant.precision} variant of ${name} was made of another file of it`,
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function readModel(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new QcError('model-missing', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** Decodes an ONNX file; throws `model-damaged` for anything else. */
function parseModel(file: string, bytes: Uint8Array): OnnxModel & { graph: OnnxGraph } {
  let model: OnnxModel;
  try {
    model = decodeModel(bytes);
  } catch (cause) {
    throw new QcError(
      'model-damaged',
      `${file} is not a whole ONNX file (${bytes.length} bytes): ${(cause as Error).message}`,
      { cause },
    );
  }
  const { graph } = model;
  if (!graph || graph.node.length === 0 || model.opsetImport.length === 0) {
    throw new QcError('model-damaged', `${file} is not a whole ONNX file: it has no graph or operator set`);
  }
  return model as OnnxModel & { graph: OnnxGraph };
}
