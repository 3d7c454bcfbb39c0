import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { QcError } from '../../../config/errors.ts';
import type { Image } from '../../../models/image.ts';
import { monotonicMs } from '../../../models/run/monotonic.ts';
import { aimPicture } from '../aim-picture.ts';
import { wantedFps } from '../rate.ts';
import type { CameraSource, SourceContext } from '../source.ts';
import { wallTimes } from '../wall-times.ts';
import { cutPicture, previewOf, readPicture } from './picture.ts';

const PICTURE = /\.(png|jpe?g|bmp)$/i;

/**
 * Uses image files as a camera: one file, or the files of a folder in the order of their names (1, 2, 10), in a loop at the
 * wanted rate. An unreadable file is skipped, counted as corrupt, and reported once.
 */
export const readFiles: CameraSource = async (context) => {
  const path = pathOf(context.config.url);
  const bad = new Set<string>();
  const periodMs = 1000 / wantedFps(context.config);
  let dueMs = performance.now();
  while (!context.signal.aborted) {
    // The folder is listed again in each round: files may be added while it runs.
    const files = await picturesAt(path);
    let shown = 0;
    for (const file of files) {
      if (await show(file, context, bad)) shown++;
      dueMs = Math.max(dueMs + periodMs, performance.now() - periodMs);
      await sleep(Math.max(0, dueMs - performance.now()), undefined, { signal: context.signal }).catch(
        () => undefined,
      );
      if (context.signal.aborted) return;
    }
    if (shown === 0)
      throw new QcError('camera-files', `none of the ${files.length} files at ${path} is an image`);
  }
};

/** Reads and delivers one image; false if it cannot be read. */
async function show(file: string, context: SourceContext, bad: Set<string>): Promise<boolean> {
  // The capture time of a file is the start of reading: all work on it counts as decoding.
  const startedAt = monotonicMs();
  let picture: Image;
  try {
    picture = await readPicture(file);
  } catch (error) {
    context.dropped('corrupt', 1);
    if (!bad.has(file)) {
      bad.add(file);
      context.fault('camera-files', `cannot read ${file}: ${error instanceof Error ? error.message : error}`);
    }
    return false;
  }
  context.described?.({ codec: undefined, width: picture.width, height: picture.height });
  const region = context.cut?.value ?? context.config.region;
  const image = await cutPicture(picture, { region, shorterSide: context.config.shorterSide });
  const preview = context.watched() ? await previewOf(picture) : undefined;
  if (context.aim?.on)
    context.aim.deliver(await aimPicture(picture, region, wallTimes(startedAt).capturedAt));
  if (context.signal.aborted) return true;
  context.received(1);
  const takenAt = monotonicMs();
  context.deliver({
    camera: context.camera,
    image,
    region,
    ...(preview ? { preview } : {}),
    ...wallTimes(startedAt),
    times: { capturedAt: startedAt, arrivedAt: startedAt, decodedAt: takenAt, takenAt },
    simulated: true,
    source: basename(file),
  });
  return true;
}

/** Full paths in natural order (2 before 10). @throws QcError camera-files if there are none */
async function picturesAt(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new QcError('camera-files', `${path} does not exist`);
  if (!found.isDirectory()) return [path];
  const names = (await readdir(path)).filter((name) => PICTURE.test(name));
  if (names.length === 0)
    throw new QcError('camera-files', `the folder ${path} contains no png, jpg or bmp file`);
  const { compare } = new Intl.Collator('en', { numeric: true });
  return names.sort(compare).map((name) => join(path, name));
}

/** `file:///absolute`, `file:/absolute` or `file:relative` (relative to the working directory of the agent). */
function pathOf(url: string): string {
  return url.startsWith('file://') ? fileURLToPath(url) : resolve(url.slice('file:'.length));
}
