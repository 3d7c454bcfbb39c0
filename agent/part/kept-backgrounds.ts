/** Empty backgrounds on disk, so that after a restart a part in view is not taken for the background. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { regionSchema } from '../../config/camera-schema.ts';
import { sealed, unsealed } from '../../models/disk/checksum.ts';
import { writeDurably } from '../../models/disk/durable.ts';
import { sameRegion } from '../camera/live-region.ts';
import type { Log } from '../lifecycle/log.ts';
import type { BackgroundView, KeptBackgrounds } from './presence.ts';

/** Maximum number of stored regions of one camera: one for each recipe with its own region. */
const MAX_BACKGROUNDS = 16;
/** 16-bit fixed point: levels of 255 in steps of 1/256. */
const STEPS = 256;

const keptSchema = z.strictObject({
  region: regionSchema,
  width: z.int().min(1).max(256),
  height: z.int().min(1).max(256),
  /** Row by row, 16 bits little-endian each, base64. */
  level: z.base64(),
  noise: z.base64(),
});
const fileSchema = z.strictObject({
  schema: z.literal(2),
  /** Address of the camera: another camera has another background. */
  url: z.string(),
  /** Newest first. */
  backgrounds: z.array(keptSchema).max(MAX_BACKGROUNDS),
});
type Kept = z.output<typeof keptSchema>;

/** Backgrounds that are read from disk and written to it; after close the last one is on disk. */
export type OpenKeptBackgrounds = KeptBackgrounds & AsyncDisposable;

export interface KeptBackgroundsDeps {
  readonly storageDirectory: string;
  readonly camera: string;
  readonly url: string;
  readonly log: Log;
}

/**
 * Reads the backgrounds of a camera. A file that is damaged, of another version or of another camera is ignored, with a
 * warning: then the background is learned again.
 */
export async function openKeptBackgrounds(deps: KeptBackgroundsDeps): Promise<OpenKeptBackgrounds> {
  const { camera, url } = deps;
  const log = deps.log.child({ component: 'presence', camera });
  const file = join(deps.storageDirectory, 'presence', `${camera}.json`);
  let kept = await readKept(file, url, log);
  let writing: Promise<void> = Promise.resolve();
  let pending = false;

  const write = async () => {
    pending = false;
    try {
      await mkdir(dirname(file), { recursive: true });
      await writeDurably(file, `${JSON.stringify(sealed({ url, backgrounds: kept }))}\n`);
    } catch (error) {
      log.warn(`the empty background cannot be stored in ${file}: ${(error as Error).message}`);
    }
  };

  return {
    find(view) {
      const found = kept.find((one) => isView(one, view));
      return found && { level: decoded(found.level), noise: decoded(found.noise) };
    },
    keep(view, { level, noise }) {
      const { region, width, height } = view;
      const own: Kept = { region, width, height, level: encoded(level), noise: encoded(noise) };
      kept = [own, ...kept.filter((one) => !isView(one, view))].slice(0, MAX_BACKGROUNDS);
      if (pending) return;
      pending = true;
      writing = writing.then(write);
    },
    [Symbol.asyncDispose]: () => writing,
  };
}

function isView(one: Kept, { region, width, height }: BackgroundView): boolean {
  return one.width === width && one.height === height && sameRegion(one.region, region);
}

async function readKept(file: string, url: string, log: Log): Promise<readonly Kept[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log.warn(`${file} cannot be read, the empty background is learned again: ${(error as Error).message}`);
    return [];
  }
  try {
    const content = fileSchema.parse(unsealed(JSON.parse(text)));
    if (content.backgrounds.some((one) => !isWhole(one))) throw new Error('a background is incomplete');
    if (content.url !== url) {
      log.info(`${file} belongs to ${content.url}: the empty background is learned again`);
      return [];
    }
    return content.backgrounds;
  } catch (error) {
    log.warn(
      { error: (error as Error).message },
      `${file} is damaged or of another version: the empty background is learned again`,
    );
    return [];
  }
}

function isWhole({ width, height, level, noise }: Kept): boolean {
  const bytes = 2 * width * height;
  return Buffer.from(level, 'base64').length === bytes && Buffer.from(noise, 'base64').length === bytes;
}

function encoded(values: Float32Array): string {
  const bytes = Buffer.alloc(2 * values.length);
  for (const [at, value] of values.entries())
    bytes.writeUInt16LE(Math.min(65_535, Math.max(0, Math.round(value * STEPS))), 2 * at);
  return bytes.toString('base64');
}

function decoded(text: string): Float32Array {
  const bytes = Buffer.from(text, 'base64');
  return Float32Array.from({ length: bytes.length / 2 }, (_, at) => bytes.readUInt16LE(2 * at) / STEPS);
}
