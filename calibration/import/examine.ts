/** Decodes every planned image once before anything is written, so that problems are found before any change. */
import { QcError } from '../../config/errors.ts';
import { frameId, type LabelledFrame } from '../dataset/frame.ts';
import { stemOf } from './folder-names.ts';
import type { Plan, PlannedImage } from './plan.ts';
import { type ReadOptions, readImage } from './read-image.ts';
import { shapesOf } from './shapes.ts';
import type { Skipped, SourceFile } from './source.ts';

export interface ExaminedImage extends PlannedImage {
  readonly id: string;
  /** Boxes, polygons and masks. */
  readonly marks: number;
  readonly isTwoLevel: boolean;
  /** Width and height. */
  readonly size: string;
}

export interface Examined {
  readonly images: readonly ExaminedImage[];
  /** Masks next to their image with the same name, in addition to those of the plan. */
  readonly skipped: readonly Skipped[];
  readonly notes: readonly string[];
}

export interface ExamineOptions extends ReadOptions {
  /** `labels.good` of the configuration. */
  readonly good: readonly string[];
  /** Frames of the dataset, with their labels. */
  readonly frames: readonly Pick<LabelledFrame, 'id' | 'label'>[];
  /** The source's label replaces that of the dataset. */
  readonly relabel?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: (done: number) => void;
}

/** An abort ends it between two images; the remaining ones are skipped. */
export async function examineImages(plan: Plan, options: ExamineOptions): Promise<Examined> {
  const { good, bits, signal, onProgress, frames, relabel } = options;
  const skipped: Skipped[] = [];
  const notes = createCounter();
  const twins = await twinMasks(plan.twins, { bits });
  const isMask = new Set([...twins.values()].flat().map(({ name }) => name));
  const images: ExaminedImage[] = [];
  const isOwn = plan.layout === 'export';
  for (const [index, found] of plan.images.entries()) {
    if (signal?.aborted) skipped.push({ file: found.file.name, reason: 'stopped before it was read' });
    if (signal?.aborted || isMask.has(found.file.name)) continue;
    onProgress(index);
    const twin = twins.get(found.file.name) ?? [];
    const planned = { ...found, masks: [...found.masks, ...twin] };
    try {
      const { image, isTransparent, isTwoLevel } = await readImage(planned.file, { bits, isOwn });
      const { shapes, problems } = await shapesOf(planned, image);
      if (isTransparent)
        notes.add('has transparent pixels: read with the colour that is stored below', planned.file.name);
      if (good.includes(planned.label) && planned.masks.length > 0 && shapes.length > 0)
        throw new Error(`is labelled ${planned.label}, but its mask marks something`);
      for (const problem of problems) notes.add(problem, planned.file.name);
      const size = `${image.width} × ${image.height}`;
      images.push({ ...planned, id: frameId(image), marks: shapes.length, isTwoLevel, size });
    } catch (error) {
      skipped.push({ file: planned.file.name, reason: messageOf(error) });
    }
  }
  const clear = dropContradictions(dropMasks(images, skipped), { frames, relabel }, skipped);
  const kept = new Set(clear.map(({ file }) => file.name));
  const attached = [...plan.images.map(({ file, masks }) => [file.name, masks] as const), ...twins];
  for (const [image, files] of attached) {
    if (kept.has(image)) continue;
    for (const { name } of files) skipped.push({ file: name, reason: 'a mask whose image is skipped' });
  }
  return { images: clear, skipped, notes: notes.lines() };
}

/** Two grey values, and the same name and size as an image in another folder: a mask in an ordinary folder. */
function dropMasks(images: readonly ExaminedImage[], skipped: Skipped[]): ExaminedImage[] {
  const nameOf = ({ file, size }: ExaminedImage) => `${stemOf(file.name).toLowerCase()} ${size}`;
  const shown = new Map<string, ExaminedImage>();
  for (const one of images) if (!one.isTwoLevel) shown.set(nameOf(one), one);
  return images.filter((one) => {
    const image = one.isTwoLevel ? shown.get(nameOf(one)) : undefined;
    if (!image) return true;
    const reason = `two grey values, and the name and size of ${image.file.name}: a mask, not read as an image`;
    skipped.push({ file: one.file.name, reason });
    return false;
  });
}

/** One image with two labels: both are skipped. An image that has another label in the dataset is not changed. */
function dropContradictions(
  images: readonly ExaminedImage[],
  { frames, relabel }: Pick<ExamineOptions, 'frames' | 'relabel'>,
  skipped: Skipped[],
): ExaminedImage[] {
  const byId = new Map<string, ExaminedImage[]>();
  for (const one of images) byId.set(one.id, [...(byId.get(one.id) ?? []), one]);
  const existing = new Map(frames.map(({ id, label }) => [id, label]));
  return images.filter(({ id, label, file }) => {
    const other = byId.get(id)!.find((one) => one.label !== label);
    const before = existing.get(id);
    if (other) {
      const reason = `the same image as ${other.file.name}, which is labelled ${other.label}: delete the wrong one`;
      skipped.push({ file: file.name, reason });
    } else if (before !== undefined && before !== label && !relabel) {
      const reason = `is labelled ${before} in the dataset and ${label} here: --relabel takes the label from here`;
      skipped.push({ file: file.name, reason });
    } else return true;
    return false;
  });
}

/**
 * Among images with the same name in one folder, those with two levels are masks of the one with more. By name of the
 * image.
 */
async function twinMasks(
  twins: Plan['twins'],
  options: ReadOptions,
): Promise<ReadonlyMap<string, readonly SourceFile[]>> {
  const masks = new Map<string, readonly SourceFile[]>();
  for (const group of twins) {
    const read = await Promise.all(
      group.map(async (file) => ({
        file,
        // A completely black image can be a mask, although it is not accepted as an image.
        isTwoLevel: await readImage(file, { ...options, isOwn: true }).then(
          (one) => one.isTwoLevel,
          () => undefined,
        ),
      })),
    );
    const images = read.filter(({ isTwoLevel }) => isTwoLevel === false);
    const flat = read.filter(({ isTwoLevel }) => isTwoLevel === true);
    if (images.length === 1 && flat.length === 1) masks.set(images[0]!.file.name, [flat[0]!.file]);
  }
  return masks;
}

function messageOf(error: unknown): string {
  if (error instanceof QcError) return error.line;
  return (error as Error).message;
}

/** A problem of many images is reported once, with their number. */
function createCounter() {
  const counts = new Map<string, { count: number; first: string }>();
  return {
    add(text: string, file: string) {
      const before = counts.get(text) ?? { count: 0, first: file };
      counts.set(text, { ...before, count: before.count + 1 });
    },
    lines: () =>
      [...counts].map(([text, { count, first }]) =>
        count > 1
          ? `${count} images: ${text}`
          : first === undefined
            ? `1 image ${text}`
            : `${first}: ${text}`,
      ),
  };
}
