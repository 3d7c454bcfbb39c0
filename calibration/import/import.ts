/** Imports images into the dataset: plans, examines all of them, and only then writes. */
import type { Dataset } from '../dataset/dataset.ts';
import { labelCounts } from '../dataset/label-counts.ts';
import type { DatasetView } from '../dataset/view.ts';
import { type Examined, type ExaminedImage, examineImages } from './examine.ts';
import type { LayoutName } from './layouts.ts';
import { type Plan, type PlanOptions, planImport } from './plan.ts';
import { readImage } from './read-image.ts';
import { shapesOf } from './shapes.ts';
import type { Skipped, Source } from './source.ts';

export interface Imported {
  readonly layout: LayoutName;
  /** How the source was interpreted, as text. */
  readonly what: string;
  readonly isDryRun: boolean;
  /** Number of files of the source: the sum of the following. */
  readonly found: number;
  readonly added: number;
  /** Existing images with another label. */
  readonly relabelled: number;
  /** Existing images with the same label. */
  readonly same: number;
  /** Number of masks read. */
  readonly masks: number;
  /** Number of annotation files read. */
  readonly annotations: number;
  readonly skipped: readonly Skipped[];
  /** Images with boxes, polygons or masks. */
  readonly marked: number;
  readonly notes: readonly string[];
  readonly labels: readonly { readonly label: string; readonly count: number; readonly good: boolean }[];
}

export interface ImportOptions extends Omit<PlanOptions, 'existing'> {
  /** Author of the labels, if the source does not contain it. */
  readonly by: string;
  /** Effective bit depth of the camera in 16-bit images. */
  readonly bits?: number | undefined;
  readonly relabel?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Imports every image with a clear label. An abort ends it between two images; imported ones are kept.
 * @param dataset without `add` nothing is written: a dry run
 * @throws QcError dataset-layout, label-ambiguous, before anything is written; dataset-write-failed
 */
export async function importImages(
  source: Source,
  dataset: DatasetView | Dataset,
  { by, bits, relabel, signal, onProgress, ...options }: ImportOptions,
): Promise<Imported> {
  const existing = [...new Set(dataset.frames.map(({ label }) => label))];
  const plan = await planImport(source, { ...options, existing });
  const total = 2 * plan.images.length;
  const examined = await examineImages(plan, {
    bits,
    relabel,
    signal,
    frames: dataset.frames,
    good: options.good,
    onProgress: (done) => onProgress?.(done, total),
  });
  const skipped = [...plan.skipped, ...examined.skipped];
  const outcomes =
    'add' in dataset
      ? await write(examined.images, dataset, {
          by,
          bits,
          signal,
          layout: plan.layout,
          skipped,
          onProgress: (done) => onProgress?.(plan.images.length + done, total),
        })
      : predictOutcomes(examined.images, dataset);
  onProgress?.(total, total);
  return summary({
    source,
    plan,
    examined,
    skipped,
    outcomes,
    good: options.good,
    isDryRun: !('add' in dataset),
  });
}

type Outcome = 'added' | 'relabelled' | 'same';

async function write(
  images: readonly ExaminedImage[],
  dataset: Dataset,
  options: Pick<ImportOptions, 'by' | 'bits' | 'signal'> & {
    readonly layout: LayoutName;
    readonly skipped: Skipped[];
    readonly onProgress: (done: number) => void;
  },
): Promise<Map<ExaminedImage, Outcome>> {
  const { by, bits, signal, layout, skipped, onProgress } = options;
  const outcomes = new Map<ExaminedImage, Outcome>();
  for (const [index, planned] of images.entries()) {
    onProgress(index);
    const { file, label, facts } = planned;
    if (signal?.aborted) {
      skipped.push({ file: file.name, reason: 'stopped before it was taken over' });
      continue;
    }
    try {
      const { image } = await readImage(file, { bits, isOwn: layout === 'export' });
      const { shapes } = await shapesOf(planned, image);
      const marks = { shapes, source: `${layout}: ${file.name}`.slice(0, 1_000) };
      const { outcome } = await dataset.add({ by, ...facts.frame, image, label, marks });
      outcomes.set(planned, outcome === 'marked' ? 'same' : outcome);
    } catch (error) {
      // A full disk stops the import; an image that has changed meanwhile is skipped.
      if ((error as { code?: string }).code === 'dataset-write-failed') throw error;
      skipped.push({ file: file.name, reason: (error as Error).message });
    }
  }
  return outcomes;
}

/** Predicts the outcome of writing. */
function predictOutcomes(
  images: readonly ExaminedImage[],
  { frames }: DatasetView,
): Map<ExaminedImage, Outcome> {
  const labels = new Map(frames.map(({ id, label }) => [id, label]));
  return new Map(
    images.map((one) => {
      const before = labels.get(one.id);
      labels.set(one.id, one.label);
      return [one, before === undefined ? 'added' : before === one.label ? 'same' : 'relabelled'];
    }),
  );
}

function summary(of: {
  readonly source: Source;
  readonly plan: Plan;
  readonly examined: Examined;
  readonly skipped: readonly Skipped[];
  readonly outcomes: ReadonlyMap<ExaminedImage, Outcome>;
  readonly good: readonly string[];
  readonly isDryRun: boolean;
}): Imported {
  const { source, plan, examined, skipped, outcomes, good, isDryRun } = of;
  const count = (outcome: Outcome) => [...outcomes.values()].filter((one) => one === outcome).length;
  const labels = labelCounts(Array.from(outcomes.keys(), ({ label }) => label));
  const masks = examined.images.reduce((sum, one) => sum + one.masks.length, 0);
  return {
    layout: plan.layout,
    what: plan.what,
    isDryRun,
    found: source.files.length + source.skipped.length,
    added: count('added'),
    relabelled: count('relabelled'),
    same: count('same'),
    masks,
    annotations: plan.used.length,
    skipped,
    marked: [...outcomes.keys()].filter(({ marks }) => marks > 0).length,
    notes: [...plan.notes, ...examined.notes],
    labels: [...labels].sort().map(([label, count]) => ({ label, count, good: good.includes(label) })),
  };
}
