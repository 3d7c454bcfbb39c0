/** Compares a rebuilt network with its original library, stage by stage. */
import { GraphDraft } from '../../../models/hubs/architectures/draft.ts';
import type { Built, Network } from '../../../models/hubs/architectures/network.ts';
import { requireAllUsed } from '../../../models/hubs/architectures/recognise.ts';
import { proposeBase } from '../../../models/hubs/onnx/propose.ts';
import type { OnnxModel } from '../../../models/onnx/proto.ts';
import { makePrepare } from '../../../models/prepare/prepare.ts';
import {
  differenceOf,
  expectedOf,
  type Fixture,
  pictureOf,
  placeOf,
  pooledDifference,
  run,
  type Sample,
  unpacked,
} from './fixtures.ts';

export interface Comparison {
  readonly tolerance: number;
  /** Largest absolute difference of the input values. */
  readonly input: number;
  /** Largest relative difference of each stage over the images, in order, `pooled` last; infinite for a different shape. */
  readonly stages: ReadonlyMap<string, number>;
}

export async function compare(fixture: Fixture, network: Network): Promise<Comparison> {
  const { cases, tolerance } = await expectedOf(fixture);
  const stages = new Map<string, number>();
  const keep = (name: string, difference: number) =>
    stages.set(name, Math.max(stages.get(name) ?? 0, difference));
  let inputDifference = 0;
  for (const one of cases) {
    const image = await pictureOf(one.picture);
    const size = { width: image.width, height: image.height };
    const draft = new GraphDraft(network.layers, size);
    const built = await network.build(draft);
    requireAllUsed(network);
    const { model } = draft.finish(fixture.network, [built.output], false);
    const found = one.stages.map((stage) => ({ stage, tensor: tensorOf(stage.name, built, model) }));
    const input = makePrepare({ name: 'input', layout: 'NCHW', ...size, ...network.preprocessing })(image);
    const samples = one.input.samples.map((sample) => ({ ...sample, value: inputOf(fixture, sample.value) }));
    inputDifference = Math.max(inputDifference, offOf(samples, input, size));
    const tensors = found.map(({ tensor }) => tensor);
    const maps = await run(model, 'input', tensors, input, size);
    for (const { stage, tensor } of found) {
      const { data, dims } = maps.get(tensor)!;
      const { channels, height, width } = stage.shape;
      const isSame = dims.join() === [1, channels, height, width].join();
      keep(stage.name, isSame ? differenceOf(stage, data) : Number.POSITIVE_INFINITY);
    }
    keep('pooled', pooledDifference(one.pooled, maps.get('features')!.data));
  }
  return { tolerance: tolerance.suggested, input: inputDifference, stages };
}

export const onnxFixtures = [
  { name: 'torchscript-opset13.onnx', expected: 'torchvision-resnet50', tolerance: 5e-4 },
  { name: 'dynamo.onnx', expected: 'torchvision-resnet50', tolerance: 5e-4 },
  // The exporters rounded the weights to float16 after folding.
  { name: 'fp16-converted.onnx', expected: 'torchvision-resnet50', tolerance: 1e-2 },
  { name: 'fp16-export.onnx', expected: 'torchvision-resnet50-fp16', tolerance: 2e-2 },
  { name: 'tf2onnx-nhwc.onnx', expected: 'keras-resnet50', tolerance: 5e-4 },
] as const;

/** Unpacks an ONNX file with the file of its weights. */
export async function unpackedOnnx(name: string, folder: string): Promise<string> {
  const data = `onnx/${name}.data`;
  if (placeOf(data) !== undefined) await unpacked(data, folder);
  return unpacked(`onnx/${name}`, folder);
}

/** Names of the maps of stages 2 and 3 in the libraries. */
const mapStages: Readonly<Record<string, 0 | 1>> = {
  layer2: 0,
  layer3: 1,
  conv3_block4_out: 0,
  conv4_block6_out: 1,
};

/** The base that is proposed for an ONNX file. `mapped`: it has maps of stages 2 and 3 for images of 224×224. */
export async function compareOnnx(
  path: string,
  fixture: Pick<Fixture, 'expected'>,
): Promise<Omit<Comparison, 'tolerance'> & { readonly mapped: boolean }> {
  const { cases } = await expectedOf(fixture);
  const stages = new Map<string, number>();
  const keep = (name: string, difference: number) =>
    stages.set(name, Math.max(stages.get(name) ?? 0, difference));
  let [inputDifference, mapped] = [0, false];
  for (const one of cases) {
    const image = await pictureOf(one.picture);
    const size = { width: image.width, height: image.height };
    const { model, input, features, maps } = await proposeBase(path, { size });
    const values = makePrepare(input)(image);
    inputDifference = Math.max(inputDifference, offOf(one.input.samples, values, size));
    const tensors = maps.map(({ tensor }) => tensor);
    const found = await run(model, input.name, tensors, values, size);
    for (const stage of one.stages) {
      const tensor = tensors[mapStages[stage.name] ?? tensors.length];
      if (tensor !== undefined) keep(stage.name, differenceOf(stage, found.get(tensor)!.data));
    }
    keep('pooled', pooledDifference(one.pooled, found.get(features.tensor)!.data));
    if (size.width === 224) mapped = maps.length === 2;
  }
  return { input: inputDifference, stages, mapped };
}

/** Largest difference of the samples of an input. */
function offOf(
  samples: readonly Sample[],
  values: Float32Array,
  { width, height }: { readonly width: number; readonly height: number },
): number {
  const off = samples.map(({ at: [channel, row, column], value }) =>
    Math.abs(values[(channel * height + row) * width + column]! - value),
  );
  return Math.max(...off);
}

/** MobileNetV3 of Keras scales its input itself: it receives 0 to 255. */
const inputOf = ({ expected }: Fixture, value: number) =>
  expected.startsWith('keras-mobilenet_v3') ? value / 127.5 - 1 : value;

const stems: Readonly<Record<string, string>> = {
  pool1_pool: 'stem',
  maxpool: 'stem',
  embedder: 'stem',
  bn1: 'stem',
  conv_bn: 'stem.conv',
  bn_Conv1: 'stem.conv',
  conv_1_bn: 'last.conv',
};

/** The tensor of the graph that a library calls `name`. */
function tensorOf(name: string, { maps, output }: Built, { graph }: OnnxModel): string {
  const plain = name.replace(/^resnet\./, '');
  const made = new Set(graph!.node.flatMap((node) => node.output));
  // The first activation of timm, before the pool.
  if (plain === 'act1') return 'stem.relu';
  const project = plain.replace(/_bn$/i, '');
  if (project.endsWith('_project') && made.has(project)) return project;
  const stage = /^(?:layer\d|blocks\.\d|encoder\.stages\.\d)$/.test(plain)
    ? [...maps.keys()].findLast((key) => key.startsWith(`${plain}.`))
    : undefined;
  const key = stems[plain] ?? stage ?? plain.replace(/_(?:out|add|relu|project_bn)$/i, '');
  return (maps.get(key) ?? output).tensor;
}
