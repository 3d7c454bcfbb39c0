/** Folders and zips of images as written by labelling tools. */
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import sharp, { type Sharp } from 'sharp';
import { expect } from 'vitest';
import { ZipFile } from 'yazl';
import { indexAnnotations } from '../../calibration/dataset/annotations.ts';
import { openDataset, readDataset } from '../../calibration/dataset/dataset.ts';
import type { Shape } from '../../calibration/dataset/shapes.ts';
import { type Imported, type ImportOptions, importImages } from '../../calibration/import/import.ts';
import { openSource } from '../../calibration/import/source.ts';
import { tempFolder } from '../models/temp-folder.ts';

export type Files = Readonly<Record<string, Buffer | string | object>>;

export const imageWidth = 16;
export const imageHeight = 8;

/** A small image, different for each number. */
export function drawn(seed: number): Sharp {
  const data = Buffer.alloc(imageWidth * imageHeight * 3);
  for (let i = 0; i < data.length; i++) data[i] = 40 + ((i * 7 + seed * 13 + (i % 5) * seed) % 200);
  return sharp(data, { raw: { width: imageWidth, height: imageHeight, channels: 3 } });
}

export const png = (seed: number) => drawn(seed).png().toBuffer();

/** White inside the rectangle, black outside. */
export function maskOf(left: number, top: number, width: number, height: number): Promise<Buffer> {
  const data = Buffer.alloc(imageWidth * imageHeight);
  for (let y = top; y < top + height; y++)
    data.fill(255, y * imageWidth + left, y * imageWidth + left + width);
  return sharp(data, { raw: { width: imageWidth, height: imageHeight, channels: 1 } })
    .png()
    .toBuffer();
}

/** A different image for each name. */
export async function images(...names: readonly string[]): Promise<Record<string, Buffer>> {
  const made = names.map(async (name, i): Promise<[string, Buffer]> => [name, await png(i + 1)]);
  return Object.fromEntries(await Promise.all(made));
}

/** Writes files below a folder; other values than text and bytes are written as JSON. */
export async function lay(folder: string, files: Files): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), bytesOf(content));
  }
}

export async function zipOf(file: string, files: Files): Promise<void> {
  const zip = new ZipFile();
  const written = pipeline(zip.outputStream, createWriteStream(file));
  for (const [name, content] of Object.entries(files)) zip.addBuffer(bytesOf(content), name);
  zip.end();
  await written;
}

function bytesOf(content: Buffer | string | object): Buffer {
  if (Buffer.isBuffer(content)) return content;
  return Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));
}

export interface Taken extends Imported {
  /** Label of each image in the dataset, by its name in the source. */
  readonly inDataset: readonly string[];
  /** Marks on the frames, by their label. */
  readonly shapes: readonly (readonly [string, readonly Shape[]])[];
}

/** Imports and reads back. `storage` is next to the source. */
export async function take(
  path: string,
  options: Partial<ImportOptions> & { readonly followLinks?: boolean; readonly storage?: string } = {},
): Promise<Taken> {
  const { followLinks = false, storage = `${path}.storage`, ...rest } = options;
  const onNotice = () => undefined;
  const good = rest.good ?? ['good'];
  const imported = await (async () => {
    await using source = await openSource(path, { followLinks });
    await using dataset = await openDataset(storage, { onNotice, labels: good });
    return await importImages(source, dataset, { by: 'import', ...rest, good });
  })();
  const { frames } = await readDataset(storage, onNotice);
  const annotations = await indexAnnotations(storage);
  const shapes: [string, readonly Shape[]][] = [];
  for (const { id, label } of frames) {
    const annotation = await annotations.read(id);
    if (annotation) shapes.push([label, annotation.shapes]);
  }
  return { ...imported, inDataset: frames.map(({ label }) => label).sort(), shapes };
}

/** Number of files in the report; each is counted once. */
export function accountOf(imported: Imported): number {
  const { added, relabelled, same, masks, annotations, skipped } = imported;
  return added + relabelled + same + masks + annotations + skipped.length;
}

export const reasonsOf = ({ skipped }: Pick<Imported, 'skipped'>) =>
  Object.fromEntries(skipped.map(({ file, reason }) => [file, reason]));

/** Writes the files to a folder and imports it; the report must include every file. */
export async function takeFiles(files: Files, options: Parameters<typeof take>[1] = {}) {
  await using folder = await tempFolder();
  await lay(join(folder.path, 'in'), files);
  const taken = await take(join(folder.path, 'in'), options);
  expect(accountOf(taken)).toBe(taken.found);
  return taken;
}
