/** Reads labelled frames while other users label: a new label moves the file to another folder. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Image } from '../../models/image.ts';
import { decodePicture } from '../../models/prepare/decode.ts';
import type { LabelledFrame } from './frame.ts';
import { changeImage } from './imaging.ts';

/** Maximum number of moves of a file while it is being read. */
const attempts = 3;

/**
 * The PNG of a frame, also if a new label has moved it since the view was made.
 * @throws Error without a path if the frame was removed meanwhile; errors of the disk
 */
export async function readFrame({ file }: Pick<LabelledFrame, 'file'>): Promise<Buffer> {
  const dataset = dirname(dirname(file));
  let folders = [basename(dirname(file))];
  for (let attempt = 0; attempt < attempts; attempt++) {
    for (const folder of folders) {
      const bytes = await readFile(join(dataset, folder, basename(file))).catch(absent);
      if (bytes) return bytes;
    }
    const entries = await readdir(dataset, { withFileTypes: true }).catch(() => []);
    folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  }
  throw new Error(`the image ${basename(file)} no longer exists (ENOENT)`);
}

/** The pixels of a frame; of a copy, after its change. @throws as `readFrame`; Error for an image that cannot be decoded */
export async function imageOfFrame(frame: Pick<LabelledFrame, 'file' | 'changed'>): Promise<Image> {
  const image = await decodePicture(await readFrame(frame));
  return frame.changed ? await changeImage(image, frame.changed.by) : image;
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw new Error(`the image cannot be read: ${error.code ?? 'unknown error'}`, { cause: error });
}
