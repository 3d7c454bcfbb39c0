/** Files of hubs with random weights, and the values that the original libraries compute from them (fixtures/README.md). */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { seededRandom } from '../../../calibration/train/random.ts';
import { packageRoot } from '../../../config/package.ts';
import type { Image } from '../../../models/image.ts';
import { valueInfo } from '../../../models/onnx/build.ts';
import { encodeModel, type OnnxModel } from '../../../models/onnx/proto.ts';

/** In the repository. */
const own = join(packageRoot, 'test/models/hubs/fixtures');
/** The complete set, which is too large for the repository. */
export const shared = fileURLToPath(new URL('../../../../../shared/hubs', import.meta.url));

/** Recognised network of a file, and the name of its expected values. */
export interface Fixture {
  readonly path: string;
  readonly expected: string;
  readonly network: string;
  readonly source: string;
  readonly prefix?: string;
}

const torchvision = { expected: 'torchvision-resnet50', network: 'ResNet50 v1.5', source: 'torchvision' };
const keras = { expected: 'keras-resnet50', network: 'ResNet50 v1', source: 'Keras applications' };
const v2 = { expected: 'keras-resnet50v2', network: 'ResNet50V2', source: 'Keras applications' };
const vgg = { expected: 'keras-vgg16', network: 'VGG16', source: 'Keras applications' };
const mobilenet2 = { network: 'MobileNetV2', source: 'Keras applications' };
const mobilenet3 = { network: 'MobileNetV3 Small', source: 'Keras applications' };

/** Every file that can be read; those not in the repository come from `shared`. */
export const fixtures: readonly Fixture[] = [
  { path: 'torchvision/resnet50-small.pth', ...torchvision },
  { path: 'torchvision/resnet50-small-legacy.pth', ...torchvision },
  { path: 'torchvision/resnet50-small-checkpoint.pth', ...torchvision, prefix: 'state_dict.module.' },
  { path: 'torchvision/resnet50-small-dino.pth', ...torchvision, prefix: 'teacher.backbone.' },
  { path: 'torchvision/resnet50-small-fp16.pth', ...torchvision, expected: 'torchvision-resnet50-fp16' },
  {
    path: 'torchvision/resnet50-small-dino-full.pth',
    ...torchvision,
    expected: 'torchvision-resnet50-fp16',
    prefix: 'teacher.backbone.',
  },
  { path: 'transformers/resnet50-v1', ...fromTransformers('v1', ''), network: 'ResNet50 v1' },
  { path: 'transformers/resnet50-v1.5', ...fromTransformers('v1.5', '') },
  { path: 'transformers/resnet50-sharded', ...fromTransformers('sharded', 'resnet.') },
  { path: 'transformers/resnet50-bf16', ...fromTransformers('bf16', 'resnet.') },
  { path: 'timm/resnet50', expected: 'timm-resnet50', network: 'ResNet50 v1.5', source: 'timm' },
  { path: 'timm/resnet50d', expected: 'timm-resnet50d', network: 'ResNet50d', source: 'timm' },
  { path: 'timm/resnetblur50', expected: 'timm-resnetblur50', network: 'ResNet50 BlurPool', source: 'timm' },
  {
    path: 'timm/mobilenetv3_small_050/model.safetensors',
    expected: 'timm-mobilenetv3_small_050',
    network: 'MobileNetV3 Small',
    source: 'timm',
  },
  { path: 'keras/resnet50/notop-weights.h5', ...keras },
  { path: 'keras/resnet50/model.h5', ...keras },
  { path: 'keras/resnet50/keras2-model.h5', ...keras },
  { path: 'keras/resnet50/model.keras', ...keras },
  { path: 'keras/resnet50/keras3.weights.h5', ...keras },
  { path: 'keras/resnet50v2/notop-weights.h5', ...v2 },
  { path: 'keras/resnet50v2/model.h5', ...v2 },
  { path: 'keras/resnet50v2/model.keras', ...v2 },
  { path: 'keras/vgg16/notop-weights.h5', ...vgg },
  { path: 'keras/vgg16/notop-weights-keras1.h5', ...vgg },
  { path: 'keras/vgg16/model.h5', ...vgg },
  { path: 'keras/vgg16/model.keras', ...vgg },
  { path: 'hdf5/vgg16-notop-libver-latest.h5', ...vgg },
  ...['notop-weights.h5', 'model.h5', 'model.keras'].flatMap((file) => [
    { path: `keras/mobilenet_v2_010/${file}`, expected: 'keras-mobilenet_v2_010', ...mobilenet2 },
    { path: `keras/mobilenet_v3_small_025/${file}`, expected: 'keras-mobilenet_v3_small_025', ...mobilenet3 },
  ]),
  { path: 'keras/mobilenet_v2_035/notop-weights.h5', expected: 'keras-mobilenet_v2_035', ...mobilenet2 },
  {
    path: 'keras/mobilenet_v3_small_075/notop-weights.h5',
    expected: 'keras-mobilenet_v3_small_075',
    ...mobilenet3,
  },
  {
    path: 'tao/resnet18-small.hdf5',
    expected: 'tao-resnet18',
    network: 'ResNet18 (TAO)',
    source: 'NVIDIA TAO',
  },
  { path: 'tfjs/graph-model', ...keras },
  { path: 'tfjs/layers-model', ...keras },
  { path: 'tfjs/layers-model-saved-by-tfjs', ...keras },
  { path: 'tfjs/layers-model-float16', ...keras, expected: 'tfjs-resnet50-float16' },
  { path: 'tfjs/layers-model-uint8', ...keras, expected: 'tfjs-resnet50-uint8' },
  { path: 'savedmodel/keras2-resnet50/variables/variables.index', ...keras },
  { path: 'savedmodel/keras3-resnet50/variables/variables.index', ...keras },
  { path: 'savedmodel/keras3-vgg16/variables/variables.index', ...vgg },
];

function fromTransformers(form: string, prefix: string) {
  const expected = `transformers-resnet50-${form}`;
  return { expected, network: 'ResNet50 v1.5', source: 'transformers', prefix };
}

/** Its path, packed or not; undefined if it does not exist. */
export function placeOf(path: string): string | undefined {
  return [own, shared]
    .flatMap((root) => [join(root, path), join(root, `${path}.gz`)])
    .find((place) => existsSync(place));
}

/** A path that can be opened: a packed file is unpacked into the folder, with the files next to it. */
export async function unpacked(path: string, folder: string): Promise<string> {
  const place = placeOf(path);
  if (place === undefined) throw new Error(`there is no ${path}`);
  if (!place.endsWith('.gz')) return place;
  const file = join(folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, gunzipSync(await readFile(place)));
  const config = join(dirname(place), 'config.json');
  if (existsSync(config)) await writeFile(join(dirname(file), basename(config)), await readFile(config));
  return file;
}

export interface Sample {
  /** Channel, row, column. */
  readonly at: readonly [number, number, number];
  readonly value: number;
}

export interface ExpectedStage {
  readonly name: string;
  readonly shape: { readonly channels: number; readonly height: number; readonly width: number };
  readonly mean: number;
  readonly samples: readonly Sample[];
}

export interface Expected {
  readonly tolerance: { readonly suggested: number };
  readonly cases: readonly {
    readonly picture: string;
    readonly input: { readonly samples: readonly Sample[] };
    readonly stages: readonly ExpectedStage[];
    readonly pooled: readonly number[];
  }[];
}

export async function expectedOf({ expected }: Pick<Fixture, 'expected'>): Promise<Expected> {
  return JSON.parse(await readFile(placeOf(`expected/${expected}.json`)!, 'utf8'));
}

export async function pictureOf(path: string): Promise<Image> {
  const { data, info } = await sharp(placeOf(path)!)
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

/** Largest difference of the samples and of the mean, relative to the largest value. */
export function differenceOf({ samples, mean, shape }: ExpectedStage, data: Float32Array): number {
  const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const sum = data.reduce((total, value) => total + value, 0);
  const off = samples.map(({ at: [channel, row, column], value }) =>
    Math.abs(value - data[(channel * shape.height + row) * shape.width + column]!),
  );
  return Math.max(...off, Math.abs(sum / data.length - mean)) / largest;
}

/** Outputs of the model for an input, including the features. */
export async function run(
  model: OnnxModel,
  input: string,
  tensors: readonly string[],
  values: Float32Array,
  { width, height }: { readonly width: number; readonly height: number },
): Promise<Map<string, { readonly data: Float32Array; readonly dims: readonly number[] }>> {
  const outputs = [...new Set(tensors)].map((tensor) => valueInfo(tensor, undefined));
  const graph = { ...model.graph!, output: [...model.graph!.output, ...outputs] };
  const session = await InferenceSession.create(Buffer.from(encodeModel({ ...model, graph })), {
    intraOpNumThreads: 1,
  });
  const answers = await session.run({
    [input]: new Tensor('float32', Float32Array.from(values), [1, 3, height, width]),
  });
  const found = Object.entries(answers).map(([name, { data, dims }]) => {
    return [name, { data: data as Float32Array, dims }] as const;
  });
  await session.release();
  return new Map(found);
}

/** Largest difference relative to the largest value; infinite if the lengths differ. */
export function pooledDifference(expected: readonly number[], features: Float32Array): number {
  if (features.length !== expected.length) return Number.POSITIVE_INFINITY;
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return Math.max(...expected.map((value, i) => Math.abs(value - features[i]!))) / largest;
}

/** Pieces of a picture, of different sizes. */
export async function pieces(count: number): Promise<Image[]> {
  const { width, data } = await pictureOf('pictures/picture-224.png');
  const { integer } = seededRandom(3);
  return Array.from({ length: count }, () => {
    const side = 64 + integer(128);
    const [left, top] = [integer(width - side), integer(width - side)];
    const rows = Array.from({ length: side }, (_, y) => {
      const from = ((top + y) * width + left) * 3;
      return data.subarray(from, from + side * 3);
    });
    return { width: side, height: side, data: Buffer.concat(rows) };
  });
}
