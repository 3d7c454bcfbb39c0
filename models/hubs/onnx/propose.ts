/**
 * Proposes a base from an ONNX file without a manifest: reads and checks it, converts its input to [N,3,H,W], cuts it at
 * its features, and runs it once. The proposal lists the findings with reasons, so that a user can confirm or correct them.
 */
import { QcError } from '../../../config/errors.ts';
import type { BaseInput, BaseManifest } from '../../manifest.ts';
import { computesInFloat16, inFloat32, withWeightsApart } from '../../onnx/adapt.ts';
import { fedGraph } from '../../onnx/fit-manifest.ts';
import { describe, graphOutputs } from '../../onnx/graph.ts';
import { patchOf } from '../../onnx/patches.ts';
import { changed, type OnnxGraph, type OnnxModel } from '../../onnx/proto.ts';
import { readOnnxFile } from '../../onnx/read.ts';
import { sorted } from '../../onnx/sort.ts';
import { opsetOf, requireSupported } from '../../onnx/support.ts';
import { besidesOnnx } from '../read/besides.ts';
import { type FeatureGraph, featureGraph } from './feature-graph.ts';
import { type FoundFeatures, findFeatures } from './features.ts';
import { type ImageInput, imageInput, type Layout, withImagesChannelsFirst } from './input.ts';
import { type ProposedPreprocessing, preprocessingOf, sizeOf } from './preprocessing.ts';

/** Each replaces a value of the file. */
export interface OnnxChoices {
  readonly layout?: Layout | undefined;
  readonly size?: Size | undefined;
  readonly channels?: BaseInput['channels'] | undefined;
  readonly scale?: number | undefined;
  readonly mean?: BaseInput['mean'] | undefined;
  readonly std?: BaseInput['std'] | undefined;
  /** The tensor from which features are computed. */
  readonly tensor?: string | undefined;
  /** Average and maximum of stages 2 and 3 instead. */
  readonly stages?: true | undefined;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** A finding, its reason, and the option that replaces it. */
export interface Finding {
  readonly what: string;
  readonly value: string;
  readonly because: string;
  readonly option: string;
}

export interface Proposal {
  readonly model: OnnxModel;
  readonly opset: number;
  readonly input: BaseInput;
  readonly features: BaseManifest['features'];
  readonly maps: NonNullable<BaseManifest['maps']>;
  /** For people: how the features are computed from a tensor of the file. */
  readonly from: string;
  /** For people: "vision transformer, patches of 14×14 pixels". */
  readonly network: string;
  readonly findings: readonly Finding[];
  /** Assumptions that should be compared with the publisher's page. */
  readonly doubts: readonly string[];
}

const usualSide = 224;

type Whole = OnnxModel & { graph: OnnxGraph };

/** Content of the file, before it is run. */
export interface ReadFile {
  readonly model: Whole;
  readonly opset: number;
  readonly image: ImageInput;
  readonly size: ChosenSize;
  readonly prepared: ProposedPreprocessing;
  readonly input: BaseInput;
  readonly patch: number | undefined;
  readonly found: FoundFeatures;
}

/** @throws QcError model-missing, model-damaged, model-unsupported, model-mismatch */
export async function proposeBase(path: string, choices: OnnxChoices = {}): Promise<Proposal> {
  const { model, opset, image, size, prepared, input, patch, found } = await readProposal(path, choices);
  const cut = await featureGraph(path, model, input, found);
  return {
    model: cut.model,
    opset,
    input,
    features: { tensor: cut.tensor, pool: 'none', size: cut.size },
    maps: cut.maps,
    from: cut.from,
    network:
      patch === undefined
        ? 'convolutional network'
        : `vision transformer, patches of ${patch}×${patch} pixels`,
    findings: findings(image, size, prepared, cut, found.because),
    doubts: prepared.isAssumed
      ? ['how images are scaled is assumed: compare it with the page of the publisher']
      : [],
  };
}

/** Reads the file and those next to it; runs nothing. @throws QcError as `proposeBase` */
export async function readProposal(path: string, choices: OnnxChoices = {}): Promise<ReadFile> {
  const { model } = await readOnnxFile(path);
  requireSupported(path, model);
  const float = inOwnPrecision(path, model);
  const image = imageInput(path, float.graph, choices.layout);
  const files = await besidesOnnx(path);
  const patch = patchOf(float.graph, image.name);
  const size = sizeFor(path, image, choices.size, sizeOf(files), patch);
  const prepared = withChoices(preprocessingOf(files, float.graph, image), choices);
  const input = inputOf(image, size, prepared);
  const fed = fedGraph(path, { input }, withImagesChannelsFirst(float, image, size));
  const found = findFeatures(fed.graph, input.name, choices);
  if (!found)
    throw new QcError(
      'model-mismatch',
      `${path}: nothing in the graph shows which tensor has the features; its outputs are ${describe(graphOutputs(fed.graph))}`,
      { remedy: 'name the tensor: --features TENSOR' },
    );
  return { model: fed, opset: opsetOf(model), image, size, prepared, input, patch, found };
}

/** Sorted, and in float32: a CPU has no arithmetic for float16. @throws QcError model-damaged */
function inOwnPrecision(path: string, model: Whole): Whole {
  const apart = withWeightsApart(model);
  try {
    const ready = changed(apart, { graph: sorted(apart.graph!) });
    return (computesInFloat16(ready.graph!) ? inFloat32(ready) : ready) as Whole;
  } catch (cause) {
    throw new QcError('model-damaged', `${path}: ${(cause as Error).message}`, { cause });
  }
}

interface ChosenSize extends Size {
  readonly because: string;
}

function sizeFor(
  path: string,
  { width, height }: ImageInput,
  chosen: Size | undefined,
  said: Size | undefined,
  patch: number | undefined,
): ChosenSize {
  const fixed = { width: width ?? chosen?.width, height: height ?? chosen?.height };
  if (chosen && (fixed.width !== chosen.width || fixed.height !== chosen.height))
    throw new QcError(
      'model-mismatch',
      `${path} takes only images of ${width ?? '?'}×${height ?? '?'} pixels`,
      {
        remedy: 'leave --size out, or export the model with free height and width',
      },
    );
  if (chosen && patch !== undefined && (chosen.width % patch !== 0 || chosen.height % patch !== 0))
    throw new QcError(
      'model-mismatch',
      `${path} divides images into patches of ${patch}×${patch} pixels, which ${chosen.width}×${chosen.height} is not a multiple of`,
      { remedy: `set --size to multiples of ${patch}` },
    );
  if (chosen) return { ...chosen, because: 'set by --size' };
  if (width !== undefined && height !== undefined)
    return { width, height, because: 'the graph accepts no other' };
  const whole = (side: number) =>
    patch === undefined ? side : Math.max(1, Math.round(side / patch)) * patch;
  const free = said ?? { width: usualSide, height: usualSide };
  return {
    width: width ?? whole(free.width),
    height: height ?? whole(free.height),
    because: said ? 'the file of the publisher' : 'usual; the graph accepts any',
  };
}

function withChoices(
  found: ProposedPreprocessing,
  { channels, scale, mean, std }: OnnxChoices,
): ProposedPreprocessing {
  const isChosen = [channels, scale, mean, std].some((one) => one !== undefined);
  return {
    channels: channels ?? found.channels,
    scale: scale ?? found.scale,
    mean: mean ?? found.mean,
    std: std ?? found.std,
    because: isChosen ? `${found.because}; changed by options` : found.because,
    isAssumed: found.isAssumed && !isChosen,
  };
}

function inputOf({ name }: ImageInput, { width, height }: Size, prepared: ProposedPreprocessing): BaseInput {
  const { channels, scale, mean, std } = prepared;
  return { name, layout: 'NCHW', width, height, channels, scale, mean, std };
}

function findings(
  image: ImageInput,
  size: ChosenSize,
  prepared: ProposedPreprocessing,
  cut: FeatureGraph,
  because: string,
): Finding[] {
  const { layout, name, type } = image;
  const isTurned = layout === 'NHWC';
  const { channels, scale, mean, std } = prepared;
  const maps = cut.maps.map(
    ({ tensor, channels: count, stride }) => `${tensor} (${count} channels at stride ${stride})`,
  );
  return [
    {
      what: 'input',
      value: `${name}, ${type}, ${layout}${isTurned ? '; the base takes NCHW' : ''}`,
      because: image.because,
      option: '--layout',
    },
    { what: 'images', value: `${size.width}×${size.height} pixels`, because: size.because, option: '--size' },
    {
      what: 'pixels',
      value: `${channels}, value · ${Number(scale.toPrecision(4))} − [${mean}], divided by [${std}]`,
      because: prepared.because,
      option: '--channels, --scale, --mean, --std',
    },
    {
      what: 'features',
      value: `${cut.size}, ${cut.from}`,
      because,
      option: '--features',
    },
    {
      what: 'maps',
      value: maps.length > 0 ? maps.join(', ') : 'none: heads cannot look at places',
      because: 'found in the graph',
      option: 'maps in the manifest',
    },
  ];
}
