/**
 * Makes an int8 variant of the base for this site: ranges from its own frames, and a check of the head's accuracy on held-out parts
 * against float features. The variant is stored next to the float base if it passes. Also makes an fp16 variant for a GPU.
 */
import { readFile } from 'node:fs/promises';
import { QcError } from '../config/errors.ts';
import type { Config } from '../config/schema.ts';
import { type Base, openBase } from '../models/base.ts';
import type { Image } from '../models/image.ts';
import { decodePicture } from '../models/prepare/decode.ts';
import type { ImageReader } from '../models/quantize/float.ts';
import { type Halved, halveBase } from '../models/quantize/half.ts';
import { type QuantizeOptions as HowTo, quantizeBase } from '../models/quantize/quantize.ts';
import type { QuantizationReport } from '../models/quantize/report.ts';
import { keepQuantized, keepVariant, lastReport } from '../models/quantize/variants.ts';
import { splitSize } from '../models/sized.ts';
import { readDataset } from './dataset/dataset.ts';
import { isDefectKnown } from './train/choose-frames.ts';
import { drawEvenly } from './train/draw.ts';
import { judgeOf } from './train/quantized.ts';

export type QuantizeConfig = Pick<Config, 'model' | 'labels' | 'thresholds' | 'storage'>;

export interface QuantizeOptions {
  readonly method?: HowTo['method'] | undefined;
  /** Maximum number of images, drawn evenly over the labels; a quarter of them is held out for comparison. */
  readonly frames?: number | undefined;
}

export interface QuantizeDeps {
  /** Receives the name of the current step and its progress. */
  readonly onProgress: (step: string, done: number, total: number) => void;
  readonly onNotice: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Images to use if nothing is labelled. */
  readonly drawn?: ((count: number) => AsyncIterable<{ readonly image: Image }>) | undefined;
}

export interface QuantizeResult {
  readonly report: QuantizationReport;
  /** Path of the variant; undefined if it was refused. */
  readonly file: string | undefined;
}

const defaultFrames = 128;
/** With fewer labelled frames, drawn parts represent the activations better. */
const minFrames = 16;

/** @throws QcError quantize-impossible, model-…; the reason of `signal`. A variant that passed before is kept if this one is refused. */
export async function quantize(
  config: QuantizeConfig,
  { method = 'best', frames: max = defaultFrames }: QuantizeOptions,
  deps: QuantizeDeps,
): Promise<QuantizeResult> {
  // A variant is made once and used at each input size.
  const model = { ...config.model, base: splitSize(config.model.base).plain };
  const { storage } = config;
  const storageDirectory = storage.directory;
  const base = await openOrigin(model.base, storageDirectory);
  const { frames, revision, isLabelled, images } = await imagesOf(storageDirectory, max, deps);
  const judge = isLabelled ? await judgeOf({ ...config, model }, base.manifest, frames, deps) : undefined;
  const made = await quantizeBase(base, images, {
    method,
    threads: model.threads,
    source: isLabelled ? 'labelled frames' : 'simulated parts of the demo line',
    revision: isLabelled ? revision : null,
    onProgress: deps.onProgress,
    signal: deps.signal,
    ...(judge && { judge }),
  });
  deps.signal?.throwIfAborted();
  return { report: made.report, file: await keepQuantized(storage.directory, made) };
}

/** Opens the base that variants are made from: in float32, or in float16 if it was exported like that. */
async function openOrigin(name: string, storageDirectory: string): Promise<Base> {
  const base = await openBase({ base: splitSize(name).plain, precision: 'auto', storageDirectory });
  const { precision, variantOf } = base.manifest;
  if (precision === 'fp32' || (precision === 'fp16' && variantOf === undefined)) return base;
  throw new QcError('quantize-impossible', `${base.file} is a variant itself (${precision})`, {
    remedy: 'set model.base to the float model that it was made from',
  });
}

export interface HalveResult {
  readonly halved: Halved;
  /** Path of the variant; undefined if it was refused. */
  readonly file: string | undefined;
}

/** An fp16 variant of the base, for a GPU. @throws as `quantize` */
export async function halve(
  config: QuantizeConfig,
  { frames: max = defaultFrames }: Pick<QuantizeOptions, 'frames'>,
  deps: QuantizeDeps,
): Promise<HalveResult> {
  const { model, storage } = config;
  const storageDirectory = storage.directory;
  const base = await openOrigin(model.base, storageDirectory);
  if (base.manifest.precision === 'fp16') {
    throw new QcError('quantize-impossible', `${base.file} is in half precision already`, {
      remedy: 'leave model.precision at auto: it can be used directly',
    });
  }
  const { images } = await imagesOf(storageDirectory, max, deps);
  const halved = await halveBase(base, images, { ...deps, threads: model.threads });
  deps.signal?.throwIfAborted();
  return {
    halved,
    file: halved.refusal === undefined ? await keepVariant(storageDirectory, halved) : undefined,
  };
}

/** The labelled frames, and the images to use: drawn from the frames evenly over the labels, or generated if there are too few frames. */
async function imagesOf(storageDirectory: string, max: number, deps: QuantizeDeps) {
  const { frames, revision } = await readDataset(storageDirectory, deps.onNotice);
  const isLabelled = frames.length >= minFrames;
  if (!isLabelled && !deps.drawn) {
    throw new QcError(
      'quantize-impossible',
      `${frames.length} frames are labelled, at least ${minFrames} are needed`,
      { remedy: 'label parts, or import images: qc-agent dataset import' },
    );
  }
  const read =
    ({ file }: { readonly file: string }): ImageReader =>
    async () =>
      decodePicture(await readFile(file));
  const images = isLabelled ? drawEvenly(frames, max, 1).map(read) : await drawnImages(deps.drawn!, max);
  return { frames, revision, isLabelled, images };
}

/** Generated images are small and kept in memory: generating them again would take longer. */
async function drawnImages(drawn: NonNullable<QuantizeDeps['drawn']>, max: number): Promise<ImageReader[]> {
  const images: ImageReader[] = [];
  for await (const { image } of drawn(max)) {
    images.push(async () => image);
    if (images.length >= max) break;
  }
  return images;
}

/** Why no int8 variant is made; undefined if it may help and was not checked on these frames yet. */
export async function whyNotQuantize({
  model,
  storage,
  labels,
}: QuantizeConfig): Promise<string | undefined> {
  if (model.precision !== 'auto' && model.precision !== 'int8')
    return 'model.precision names another variant';
  // With an inference server, the CPU is the fallback.
  if (!['auto', 'cpu', 'remote'].includes(model.provider)) return 'int8 is for the CPU';
  const base = await openBase({
    base: splitSize(model.base).plain,
    precision: 'auto',
    storageDirectory: storage.directory,
  });
  if (base.manifest.precision !== 'fp32') return 'the base is not in float';
  const { frames, revision } = await readDataset(storage.directory, () => undefined);
  // Nothing would show that its limit still holds.
  if (frames.length > 0 && !isDefectKnown(frames, labels.good))
    return 'the model version was trained on good parts only';
  const last = await lastReport(storage.directory, base.manifest.name);
  if (last?.base.sha256 !== base.manifest.sha256) return undefined;
  if (last.passed) return last.quantization.heldOut ? 'an int8 variant already passed' : undefined;
  return last.revision === revision ? 'it was already refused on these frames' : undefined;
}
