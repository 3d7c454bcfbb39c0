/**
 * Compares installed bases on the station's own labels: the same frames, groups and folds through each base, paired tests on the
 * held-out parts, time and memory. Bases are processed one after the other; their features are kept on disk, so an
 * interrupted comparison continues where it was. It changes nothing that judges.
 */
import { QcError } from '../../config/errors.ts';
import type { Config } from '../../config/schema.ts';
import { openBase } from '../../models/base.ts';
import type { Image } from '../../models/image.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import { onThisMachine } from '../../models/run/providers.ts';
import { openSession } from '../../models/run/session.ts';
import { splitSize } from '../../models/sized.ts';
import { withBaseInUse, withFrozenBase } from '../../models/versions/pair.ts';
import { readDataset } from '../dataset/dataset.ts';
import type { LabelledFrame } from '../dataset/frame.ts';
import { readFrame } from '../dataset/read-frame.ts';
import { countLabels, trainableAs } from '../train/choose-frames.ts';
import { drawEvenly } from '../train/draw.ts';
import { groupsOf } from '../train/groups.ts';
import { throttled } from '../train/throttle.ts';
import { goodOnlyOf } from './auroc.ts';
import type { Comparison } from './comparison.ts';
import { type Contender, contendersOf, embedded } from './contenders.ts';
import { figuresOf, type Measured } from './figures.ts';
import { describeOn, type HeadOptions, headOn, statisticsHead } from './heads.ts';
import { keepComparison } from './kept.ts';
import { memoryOf } from './memory.ts';
import { recommend } from './recommend.ts';
import { sizedBases, usualSize } from './sizes.ts';
import { speedOf } from './speed.ts';

export type CompareConfig = Pick<Config, 'model' | 'labels' | 'thresholds' | 'storage' | 'training'>;

export interface CompareOptions {
  /** Bases to compare with the base in use; empty: all installed ones. */
  readonly names?: readonly string[];
  /** Maximum number of frames, drawn evenly over the labels. */
  readonly frames?: number | undefined;
  /** Also compares the base in use at other input sizes; then installed bases only take part if they are named. */
  readonly sizes?: boolean | undefined;
  /** A base that takes longer for a part is not recommended, ms. */
  readonly maxMs?: number | undefined;
}

export interface CompareDeps {
  /** Receives the name of the current step and its progress. */
  readonly onProgress: (step: string, done: number, total: number) => void;
  readonly onNotice: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** More frames cost time; differences that need more are small. */
const defaultFrames = 600;
const seed = 1;
/** Maximum number of frames whose size is read. */
const measuredFrames = 20;

/** @throws QcError training-impossible, model-…; the reason of `signal` */
export async function compareBases(
  { model: configured, ...config }: CompareConfig,
  { names = [], frames: max = defaultFrames, sizes = false, maxMs }: CompareOptions,
  { onProgress, onNotice, signal }: CompareDeps,
): Promise<Comparison> {
  const began = performance.now();
  const storageDirectory = config.storage.directory;
  const inUseNow = await withBaseInUse(configured, storageDirectory);
  const model = onThisMachine(await withFrozenBase(inUseNow, storageDirectory));

  // Frames
  const dataset = await readDataset(storageDirectory, onNotice);
  const drawn = drawEvenly(dataset.frames, max, seed);
  requireLabels(drawn, config.labels.good);
  if (drawn.length < dataset.frames.length)
    onNotice(`${drawn.length} of ${dataset.frames.length} frames are used, evenly over the labels`);

  // Bases
  const wanted = sizes ? [...names, ...(await sizesOf(model.base, drawn))] : [...names];
  // Without a name, all installed bases would be compared.
  if (sizes && wanted.length === 0) wanted.push(embedded);
  const { inUse, others, failed: unopened } = await contendersOf(model, wanted, storageDirectory);
  const failed = [...unopened];
  const optionsFor = ({ manifest: { name } }: Contender): HeadOptions => ({
    ...config,
    onProgress: (step, done, total) => onProgress(`${name}: ${step}`, done, total),
    onNotice: (text) => onNotice(`${name}: ${text}`),
    signal,
  });

  // The base in use defines frames and groups for all
  const first = await measure(inUse, drawn, undefined);
  const { frames, groups, described } = first;
  const statistics = await statisticsHead(described, groups, optionsFor(inUse));
  const measured: Measured[] = [first.measured];
  for (const other of others) {
    try {
      measured.push((await measure(other, frames, groups)).measured);
    } catch (error) {
      signal?.throwIfAborted();
      failed.push({ name: other.manifest.name, reason: (error as Error).message });
      onNotice(`${other.manifest.name} is skipped: ${(error as Error).message}`);
    }
  }

  // Differences and recommendation
  const { bases, escaping } = figuresOf(measured, statistics, groups);
  const comparison: Comparison = {
    schema: 1,
    madeAt: new Date().toISOString(),
    revision: dataset.revision,
    frames: frames.length,
    counts: countLabels(frames.map(({ label }) => label)),
    folds: first.measured.head.folds,
    inUse: inUse.manifest.name,
    bases,
    failed,
    ...recommend(bases, escaping, maxMs),
    seconds: secondsSince(began),
  };
  signal?.throwIfAborted();
  await keepComparison(storageDirectory, comparison);
  return comparison;

  async function sizesOf(base: string, frames: readonly LabelledFrame[]): Promise<string[]> {
    const seen: Image[] = [];
    for (const frame of drawEvenly(frames, measuredFrames, seed)) {
      const image = await readFrame(frame)
        .then(decodePicture)
        .catch(() => undefined);
      if (image) seen.push(image);
    }
    if (seen.length === 0) return [];
    const { plain } = splitSize(base);
    const { manifest } = await openBase({ base: plain, precision: 'auto', storageDirectory });
    const frame = usualSize(seen);
    const names = sizedBases(base, manifest.input, frame);
    onNotice(
      `frames have ${frame.width}×${frame.height} pixels: ${names.length > 0 ? names.join(', ') : 'no other input size'} will be compared`,
    );
    return names;
  }

  async function measure(
    contender: Contender,
    of: readonly LabelledFrame[],
    known: readonly number[] | undefined,
  ) {
    const startedAt = performance.now();
    const options = optionsFor(contender);
    const { head, goodOnly, ...rest } = await judgeOn();
    const image = await decodePicture(await readFrame(rest.frames[0]!));
    options.onProgress('measuring time and memory', 0, 1);
    const speed = await speedOf(contender, inUse, { model, storageDirectory, image, signal });
    const memory = await memoryOf(contender, speed.int8 !== null, { model, storageDirectory }, signal);
    options.onProgress('measuring time and memory', 1, 1);
    const facts = { ...goodOnly, speed, memory, seconds: secondsSince(startedAt) };
    return { ...rest, measured: { contender, head, facts } satisfies Measured };

    /** Its session is closed before time and memory are measured. */
    async function judgeOn() {
      await using session = await openSession({ ...model, base: contender.reference, storageDirectory });
      const features = await describeOn(session, of, options);
      const { described } = features;
      if (known && described.length < of.length)
        throw new QcError('frame-unknown', 'an image of the dataset can no longer be read');
      const frames = described.map(({ frame }) => frame);
      const groups = known ?? groupsOf(described);
      const head = await headOn(features, groups, options);
      const look = throttled(session.maps);
      const goodOnly = await goodOnlyOf(session, frames, {
        good: config.labels.good,
        groups,
        mapsOf: async (frame) => look(await decodePicture(await readFrame(frame))),
        onProgress: (done, total) => options.onProgress('learning good parts alone', done, total),
        signal,
      });
      return { described, frames, groups, head, goodOnly };
    }
  }
}

function requireLabels(frames: readonly LabelledFrame[], good: readonly string[]): void {
  if (trainableAs(frames, good) === 'labels') return;
  throw new QcError(
    'training-impossible',
    'bases can only be compared if at least four frames of a defect are labelled as well',
  );
}

const secondsSince = (began: number) => Number(((performance.now() - began) / 1000).toFixed(1));
