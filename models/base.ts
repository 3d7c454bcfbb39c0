/**
 * The frozen base on disk: finds it, verifies it against its manifest, and cuts the graph at the features.
 *
 * In addition to pooled features, a base can provide the feature maps of stages 2 and 3 (strides 8 and 16) for heads with
 * localized features; a transformer provides its patches at their own strides. They are called `stage2` and `stage3` whatever their names in the graph; `mapShapes` returns their sizes.
 * The manifest names them, or they are found in the graph (onnx/maps.ts). A session computes them only on demand (run/mapped.ts).
 */
import { access } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { QcError } from '../config/errors.ts';
import { basesIn } from './disk/layout.ts';
import { type BaseManifest, readBaseManifest } from './manifest.ts';
import { tensorDims } from './onnx/build.ts';
import { type ExtraOutputs, fedGraph, fitGraph } from './onnx/fit-manifest.ts';
import { graphInputs } from './onnx/graph.ts';
import type { MapTensor, Pool } from './onnx/maps.ts';
import { encodeModel, type OnnxGraph, type OnnxModel } from './onnx/proto.ts';
import { parseModel, readModel, readOnnxFile, type Sha256 } from './onnx/read.ts';
import { splitSize, withSize } from './sized.ts';

export interface BaseRequest {
  /**
   * The name of an embedded or downloaded base, or the path of an .onnx file with its manifest next to it; with `@WIDTHxHEIGHT` at
   * another input size (sized.ts).
   */
  readonly base: string;
  readonly precision: 'auto' | 'fp32' | 'fp16' | 'int8';
  /** Contains downloaded bases and variants made here; without it only embedded bases are found. */
  readonly storageDirectory?: string;
}

/** A verified base: one float32 input of a fixed size, the features as output. */
export interface ProvedBase {
  readonly manifest: BaseManifest;
  readonly file: string;
  /** SHA-256 of the file; that of the manifest also identifies the input size. */
  readonly fileSha256: string;
  readonly output: string;
  readonly extra: ExtraOutputs | undefined;
  /** Names of the extra outputs, [N,C,H,W] each, in the order of `maps` or, without duplicates, of `pools`. */
  readonly extraOutputs: readonly string[];
  /** Maps of stages 2 and 3, by stride; empty if the base has none. */
  readonly maps: readonly MapTensor[];
  /** The maps that the features are pooled from, in order; undefined if not known. */
  readonly pools: readonly Pool[] | undefined;
  /** Names of free dimensions and the sizes to fix them at. */
  readonly dimensions: Readonly<Record<string, number>>;
  /** Which of them is the batch dimension; undefined if the graph takes one image at a time. */
  readonly batch: string | undefined;
}

/** A base that onnxruntime can open. */
export interface Base extends ProvedBase {
  /** Size of the weights in float32, bytes: all, and those that are multiplied as matrices. */
  readonly weightBytes: { readonly all: number; readonly matrices: number };
  /** The path of the file if the features are an output of its graph; otherwise the bytes of the graph cut at the features. */
  readonly model: string | Uint8Array;
}

/** Input names of heads. */
export type MapName = 'stage2' | 'stage3';
export const isMapName = (name: string): name is MapName => name === 'stage2' || name === 'stage3';

/** An only map with at most as many pixels per cell is stage 2. */
const fineStride = 8;

/** A map of one image, [channels,height,width]. */
export interface MapShape {
  readonly name: MapName;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** The maps that a base computes for one image, in the order of `maps`. */
export function mapShapes({ maps, manifest }: Pick<ProvedBase, 'maps' | 'manifest'>): readonly MapShape[] {
  const { width, height } = manifest.input;
  return maps.map(({ stride, channels }, i) => ({
    name: i > 0 || (maps.length === 1 && stride > fineStride) ? 'stage3' : 'stage2',
    channels,
    height: Math.ceil(height / stride),
    width: Math.ceil(width / stride),
  }));
}

/** Embedded bases of earlier versions and their replacements. */
const replacements: Readonly<Record<string, string>> = { 'resnet50-synthetic': 'resnet50-embedded' };

/** The replacement of an embedded base that is no longer part of this package; undefined for any other name. */
export const replacementOf = (base: string): string | undefined =>
  Object.hasOwn(replacements, base) ? replacements[base] : undefined;

/** The folder with the embedded bases, relative to dist/models. */
export const embeddedBases = fileURLToPath(new URL('../../models/base/', import.meta.url));

/**
 * Opens a base and verifies hash, inputs and outputs against its manifest. Throws `model-missing`,
 * `model-damaged`, `model-mismatch` (with what was found) or `precision-unavailable`.
 * @param extra outputs to add to the features
 */
export async function openBase(asked: BaseRequest, extra?: ExtraOutputs): Promise<Base> {
  const { plain, size } = splitSize(asked.base);
  const request = { ...asked, base: plain };
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
  const { model, isWhole, sha256 } = await readOnnxFile(file);
  if (sha256.all !== manifest.sha256) throw otherFile(file, manifest, sha256);
  const sized = withSize(manifest, size);
  requireFreeSize(file, sized, model.graph);
  const { cut, ...fitted } = fitGraph(file, sized, model, extra);
  const built = cut ?? (isWhole ? undefined : model);
  const weightBytes = weightBytesOf((built ?? model).graph!);
  const runnable = built ? encodeModel(built) : file;
  return { manifest: sized, file, fileSha256: sha256.all, model: runnable, weightBytes, extra, ...fitted };
}

function weightBytesOf({ initializer, node }: OnnxGraph): Base['weightBytes'] {
  const multiplied = new Set(
    node.flatMap(({ opType, input }) => (['MatMul', 'Gemm'].includes(opType ?? '') ? input : [])),
  );
  let [all, matrices] = [0, 0];
  for (const tensor of initializer) {
    const bytes = 4 * tensorDims(tensor).reduce((a, b) => a * b, 1);
    all += bytes;
    if (multiplied.has(tensor.name ?? '')) matrices += bytes;
  }
  return { all, matrices };
}

/** The graph of a verified base before it is cut, including all weights and adapted to float32 images. @throws QcError as `openBase` */
export async function wholeGraph({
  file,
  fileSha256,
  manifest,
}: ProvedBase): Promise<OnnxModel & { graph: OnnxGraph }> {
  const { model, sha256 } = await readOnnxFile(file);
  if (sha256.all !== fileSha256) throw otherFile(file, { sha256: fileSha256 }, sha256);
  return fedGraph(file, manifest, model);
}

function otherFile(
  file: string,
  { sha256 }: Pick<BaseManifest, 'sha256'>,
  { all, alone, files }: Sha256,
): QcError {
  if (alone === sha256) {
    const names = [basename(file), ...files];
    return new QcError(
      'model-mismatch',
      `${file}: its weights are in ${files.join(', ')}, which the sha256 of the manifest does not cover`,
      {
        remedy: `set sha256 in the manifest to ${all} (cat ${names.join(' ')} | sha256sum), or export the model as one file (torch.onnx.export: external_data=False)`,
      },
    );
  }
  return new QcError(
    'model-damaged',
    `${[file, ...files].join(' with ')} is not the file that its manifest describes: sha256 ${all}, expected ${sha256}`,
  );
}

/** Refuses another size than the only one that the graph takes. */
function requireFreeSize(file: string, { name, input }: BaseManifest, graph: OnnxGraph): void {
  if (splitSize(name).size === undefined) return;
  const { shape } = graphInputs(graph).find((one) => one.name === input.name) ?? {};
  const [height, width] = shape?.slice(input.layout === 'NCHW' ? 2 : 1) ?? [];
  if (typeof height !== 'number' || typeof width !== 'number') return;
  throw new QcError('base-size', `${file} only takes images of ${width}×${height} pixels`, {
    remedy: 'export it with a free height and width, or name the base without a size',
  });
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
    // A file that is not a model is a more likely mistake than a missing manifest, so it is reported first.
    parseModel(`${path}.onnx`, await readModel(`${path}.onnx`));
    throw new QcError('model-missing', `${path}.onnx has no manifest: ${path}.json is missing`, {
      remedy: 'write a manifest next to it: models/base/README.md shows how',
    });
  }
  const places = [embeddedBases, ...directories];
  const replacement = replacementOf(base);
  // A copy below the storage directory is still used.
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

/** The variant of a base given by path: it is the file itself, or was made here and is stored with the downloaded bases. */
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

/** Refuses a variant whose fp32 file was replaced since: its features differ. */
async function requireSameOrigin(request: BaseRequest, variant: BaseManifest): Promise<void> {
  if (variant.variantOf === undefined) return;
  const float = await findManifest({ ...request, precision: 'fp32' }).catch(() => undefined);
  if (float === undefined) return;
  const { name, precision, sha256 } = await readBaseManifest(float);
  if (precision === variant.precision || sha256 === variant.variantOf) return;
  throw new QcError(
    'precision-unavailable',
    `the ${variant.precision} variant of ${name} was made from another version of its file`,
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
