/** Exports the dataset to a folder or zip that any training tool can read, and that `import` restores completely. */
import { createWriteStream, existsSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { QcError } from '../../config/errors.ts';
import { folderOfLabel } from '../../config/label-name.ts';
import { syncFile } from '../../models/disk/durable.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { type AnnotationIndex, annotationsName, lineOf } from './annotations.ts';
import { cocoName, cocoText } from './coco.ts';
import type { LabelledFrame } from './frame.ts';
import type { Change } from './journal.ts';
import { readFrame } from './read-frame.ts';
import type { DatasetView } from './view.ts';

type Progress = (done: number, total: number) => void;

/**
 * Writes to a folder, or to a zip if the name ends with .zip. The target appears only when it is complete.
 * @throws QcError dataset-target if the target exists
 */
export async function exportDataset(
  { frames }: DatasetView,
  annotations: AnnotationIndex,
  target: string,
  onProgress: Progress = () => undefined,
): Promise<void> {
  if (existsSync(target)) throw new QcError('dataset-target', `${target} exists already`);
  const draft = `${target}.draft`;
  await rm(draft, { recursive: true, force: true });
  try {
    if (extname(target).toLowerCase() === '.zip') await writeZip(frames, annotations, draft, onProgress);
    else await writeFolder(frames, annotations, draft, onProgress);
    await rename(draft, target);
  } catch (cause) {
    await rm(draft, { recursive: true, force: true });
    const what = `cannot write ${target}: ${(cause as Error).message}`;
    throw new QcError('dataset-write-failed', what, { cause });
  }
}

async function writeFolder(
  frames: DatasetView['frames'],
  annotations: AnnotationIndex,
  folder: string,
  onProgress: Progress,
): Promise<void> {
  await makeFolders(folder);
  await writeFile(join(folder, 'labels.jsonl'), journalOf(frames));
  if (isMarked(frames, annotations)) {
    await writeFile(join(folder, annotationsName), annotationLines(frames, annotations));
    await writeFile(join(folder, cocoName), await cocoText(frames, annotations));
  }
  for (const [index, frame] of frames.entries()) {
    onProgress(index, frames.length);
    await makeFolders(join(folder, folderOfLabel(frame.label)));
    await writeFile(join(folder, folderOfLabel(frame.label), `${frame.id}.png`), await readFrame(frame));
  }
  onProgress(frames.length, frames.length);
}

async function writeZip(
  frames: DatasetView['frames'],
  annotations: AnnotationIndex,
  file: string,
  onProgress: Progress,
): Promise<void> {
  const coco = isMarked(frames, annotations) ? await cocoText(frames, annotations) : undefined;
  const zip = new ZipFile();
  const written = pipeline(zip.outputStream, createWriteStream(file));
  zip.addBuffer(Buffer.from(journalOf(frames)), 'labels.jsonl');
  if (coco !== undefined) {
    zip.addReadStream(Readable.from(annotationLines(frames, annotations)), annotationsName);
    zip.addBuffer(Buffer.from(coco), cocoName);
  }
  const fault = new Promise<never>((_, reject) => zip.on('error', reject));
  for (const [index, frame] of frames.entries()) {
    const { label, id, labelledAt } = frame;
    // A PNG is already compressed. Opened only when its turn comes, because the number of open files is limited.
    const options = { compress: false, mtime: new Date(labelledAt) };
    zip.addReadStreamLazy(`${folderOfLabel(label)}/${id}.png`, options, (take) => {
      onProgress(index, frames.length);
      readFrame(frame).then(
        (png) => take(null, Readable.from([png])),
        (error) => take(error, Readable.from([])),
      );
    });
  }
  zip.end();
  await Promise.race([written, fault]);
  await syncFile(file);
  onProgress(frames.length, frames.length);
}

const isMarked = (frames: readonly LabelledFrame[], { ids }: AnnotationIndex) =>
  frames.some(({ id }) => ids.has(id));

/** The current marks of the frames, one line each. */
async function* annotationLines(
  frames: readonly LabelledFrame[],
  { ids, read }: AnnotationIndex,
): AsyncGenerator<string> {
  for (const { id } of frames) {
    const annotation = ids.has(id) ? await read(id) : undefined;
    // Without the numbers of changes.
    if (annotation) yield lineOf({ ...annotation, change: undefined });
  }
}

/** The current frames, one line each, without their history. */
function journalOf(frames: readonly LabelledFrame[]): string {
  const lines = frames.map(({ file: _, labelledAt: at, labelledBy: by, ...facts }) => {
    const change: Change = { schema: 1, at, by, kind: 'label', ...facts };
    return `${JSON.stringify(change)}\n`;
  });
  return lines.join('');
}
