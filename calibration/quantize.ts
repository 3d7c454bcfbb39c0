/**
 * An int8 variant of the base for this site: ranges from its own frames, and a gate that holds the head's answers on parts not
 * seen against those with float features. Kept beside the float base where it passes. Or an fp16 variant, for a GPU.
 */
import { readFile } from 'node:fs/promises';
import { QcError } from '../config/errors.ts';
import type { Config } from '../config/schema.ts';
import { type Base, openBase } from '../models/base.ts';
import type { Image } from '../models/image.ts';
import { decodePicture } from '../models/prepare/decode.ts';
import type { Picture } from '../models/quantize/float.ts';
import { type Halved, halveBase } from '../models/quantize/half.ts';
import { type QuantizeOptions as HowTo, quantizeBase } from '../models/quantize/quantize.ts';
import type { QuantizationReport } from '../models/quantize/report.ts';
import { keepQuantized, keepVariant, lastReport } from '../models/quantize/variants.ts';
import { readDataset } from './dataset/dataset.ts';
import { isDefectKnown } from './train/choose-frames.ts';
import { drawEvenly } from './train/draw.ts';
import { judgeOf } from './train/quantized.ts';

export type QuantizeConfig = Pick<Config, 'model' | 'labels' | 'thresholds' | 'storage'>;

export interface QuantizeOptions {
  readonly method?: HowTo['method'] | undefined;
  /** At most so many pictures, evenly over the labels; a quarter of them is kept to compare on. */
  readonly frames?: number | undefined;
}

export interface QuantizeDeps {
  /** What is being done, in words, and how much of it. */
  readonly onProgress: (step: string, done: number, total: number) => void;
  readonly onNotice: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Pictures to fall back on where nothing is labelled. */
  readonly drawn?: ((count: number) => AsyncIterable<{ readonly image: Image }>) | undefined;
}

export interface QuantizeResult {
  readonly report: QuantizationReport;
  /** The variant; undefined where it was refused. */
  readonly file: string | undefined;
}

const usualFrames = 128;
/** With fewer labelled frames drawn parts say more about what occurs. */
const fewFrames = 16;

/** @throws QcError quantize-impossible, model-…; the reason of `signal`. A variant that passed before stays where this one is refused. */
export async function quantize(
  config: QuantizeConfig,
  { method = 'best', frames: most = usualFrames }: QuantizeOptions,
  deps: QuantizeDeps,
): Promise<QuantizeResult> {
  const { model, storage } = config;
  const storageDirectory = storage.directory;
  const base = await openOrigin(model.base, storageDirectory);
  const { frames, revision, isLabelled, pictures } = await shown(storageDirectory, most, deps);
  const judge = isLabelled ? await judgeOf(config, base.manifest, frames, deps) : undefined;
  const made = await quantizeBase(base, pictures, {
    method,
    threads: model.threads,
    source: isLabelled ? 'labelled frames' : 'drawn parts of the demo line',
    revision: isLabelled ? revision : null,
    onProgress: deps.onProgress,
    signal: deps.signal,
    ...(judge && { judge }),
  });
  deps.signal?.throwIfAborted();
  return { report: made.report, file: await keepQuantized(storage.directory, made) };
}

/** What variants are made of: the base itself in float32, or in float16 if it was exported so. */
async function openOrigin(name: string, storageDirectory: string): Promise<Base> {
  const base = await openBase({ base: name, precision: 'auto', storageDirectory });
  const { precision, variantOf } = base.manifest;
  if (precision === 'fp32' || (precision === 'fp16' && variantOf === undefined)) return base;
  throw new QcError('quantize-impossible', `${base.file} is a variant itself (${precision})`, {
    remedy: 'set model.base to the float model that it was made of',
  });
}

export interface HalveResult {
  readonly halved: Halved;
  /** The variant; undefined where it was refused. */
  readonly file: string | undefined;
}

/** An fp16 variant of the base, for a GPU. @throws as `quantize` */
export async function halve(
  config: QuantizeConfig,
  { frames: most = usualFrames }: Pick<QuantizeOptions, 'frames'>,
  deps: QuantizeDeps,
): Promise<HalveResult> {
  const { model, storage } = config;
  const storageDirectory = storage.directory;
  const base = await openOrigin(model.base, storageDirectory);
  if (base.manifest.precision === 'fp16') {
    throw new QcError('quantize-impossible', `${base.file} is in half precision already`, {
      remedy: 'leave model.precision at auto: it runs as it is',
    });
  }
  const { pictures } = await shown(storageDirectory, most, deps);
  const halved = await halveBase(base, pictures, { ...deps, threads: model.threads });
  deps.signal?.throwIfAborted();
  return {
    halved,
    file: halved.refusal === undefined ? await keepVariant(storageDirectory, halved) : undefined,
  };
}

/** The frames that are labelled and the pictures to look at: of them evenly over the labels, or drawn where they are too few. */
async function shown(storageDirectory: string, most: number, deps: QuantizeDeps) {
  const { frames, revision } = await readDataset(storageDirectory, deps.onNotice);
  const isLabelled = frames.length >= fewFrames;
  if (!isLabelled && !deps.drawn) {
    throw new QcError(
      'quantize-impossible',
      `${frames.length} frames are labelled, ${fewFrames} are the least`,
      { remedy: 'label parts, or import pictures: qc-agent dataset import' },
    );
  }
  const read =
    ({ file }: { readonly file: string }): Picture =>
    async () =>
      decodePicture(await readFile(file));
  const pictures = isLabelled
    ? drawEvenly(frames, most, 1).map(read)
    : await drawnPictures(deps.drawn!, most);
  return { frames, revision, isLabelled, pictures };
}

/** Small ones, held in memory: drawing again would cost more. */
async function drawnPictures(drawn: NonNullable<QuantizeDeps['drawn']>, most: number): Promise<Picture[]> {
  const pictures: Picture[] = [];
  for await (const { image } of drawn(most)) {
    pictures.push(async () => image);
    if (pictures.length >= most) break;
  }
  return pictures;
}

/** Why there is nothing to do; undefined where an int8 variant may help and was not judged on these frames yet. */
export async function whyNotQuantize({
  model,
  storage,
  labels,
}: QuantizeConfig): Promise<string | undefined> {
  if (model.precision !== 'auto' && model.precision !== 'int8')
    return 'model.precision names another variant';
  // Beside a server the CPU judges whatever that fails.
  if (!['auto', 'cpu', 'remote'].includes(model.provider)) return 'int8 is for the CPU';
  const base = await openBase({
    base: model.base,
    precision: 'auto',
    storageDirectory: storage.directory,
  });
  if (base.manifest.precision !== 'fp32') return 'the base is not in float';
  const { frames, revision } = await readDataset(storage.directory, () => undefined);
  // Nothing would show that its limit still holds.
  if (frames.length > 0 && !isDefectKnown(frames, labels.good)) return 'the head knows good parts only';
  const last = await lastReport(storage.directory, base.manifest.name);
  if (last?.base.sha256 !== base.manifest.sha256) return undefined;
  if (last.passed) return last.quantization.heldOut ? 'an int8 variant passed already' : undefined;
  return last.revision === revision ? 'it was refused on these frames already' : undefined;
}
