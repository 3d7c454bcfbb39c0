/** A file of weights that arrives over HTTP: streamed to the disk, imported by a job, and removed. */
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { QcError } from '../../config/errors.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { importBase } from '../../models/hubs/import.ts';
import { downloadsIn } from '../../models/hubs/pull/pull.ts';
import { requireSpace } from '../../models/hubs/pull/space.ts';
import { unpack } from '../../models/hubs/pull/unpack.ts';
import type { ImportAsked } from './views.ts';

/** Maximum size, above that of every network that can be imported. */
const maxUploadBytes = 2e9;

export interface ReceiveDeps {
  readonly storageDirectory: string;
  readonly minFreeBytes: number;
  readonly signal: AbortSignal;
  readonly onBytes: (done: number) => void;
  /** Maximum time without a byte; default: 60,000 ms. */
  readonly pauseMs?: number;
}

const prefix = 'upload-';
/** Interval at which the free space is checked. */
const spaceEvery = 64e6;

/**
 * @param bytes announced size; undefined: unknown @returns its folder @throws QcError download-too-large, disk-too-small
 */
export async function receive(
  body: Readable,
  file: string,
  bytes: number | undefined,
  { storageDirectory, minFreeBytes, signal, onBytes, pauseMs = 60_000 }: ReceiveDeps,
): Promise<string> {
  const downloads = downloadsIn(storageDirectory);
  await makeFolders(downloads);
  // Left by an agent that was killed.
  for (const name of await readdir(downloads))
    if (name.startsWith(prefix)) await rm(join(downloads, name), { recursive: true, force: true });
  if ((bytes ?? 0) > maxUploadBytes) throw tooLarge(file);
  await requireSpace(downloads, bytes ?? 0, minFreeBytes);
  const folder = await mkdtemp(join(downloads, prefix));
  try {
    const handle = await open(join(folder, file), 'wx');
    try {
      let [done, looked] = [0, 0];
      for await (const chunk of arriving(body, file, pauseMs)) {
        signal.throwIfAborted();
        done += chunk.length;
        if (done > maxUploadBytes) throw tooLarge(file);
        if (done - looked > spaceEvery) {
          await requireSpace(downloads, 0, minFreeBytes);
          looked = done;
        }
        await handle.appendFile(chunk);
        onBytes(done);
      }
      if (bytes !== undefined && done !== bytes)
        throw new QcError('http-invalid', `${file} ended after ${done} of ${bytes} bytes`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return folder;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** @throws QcError http-invalid if the connection ends early or pauses for too long */
async function* arriving(body: Readable, file: string, pauseMs: number): AsyncGenerator<Buffer> {
  const stop = () => body.destroy(new Error(`no byte arrived for ${pauseMs / 1_000} s`));
  let pause = setTimeout(stop, pauseMs);
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      clearTimeout(pause);
      yield chunk;
      pause = setTimeout(stop, pauseMs);
    }
  } catch (cause) {
    const remedy = `upload it again; no pause of the upload may be longer than ${pauseMs / 1_000} seconds, and it may take an hour`;
    throw new QcError('http-invalid', `the upload of ${file} was interrupted`, { remedy, cause });
  } finally {
    clearTimeout(pause);
  }
}

const tooLarge = (file: string) =>
  new QcError('download-too-large', `${file} is larger than ${maxUploadBytes / 1e6} MB`);

/** Runs in its own process. @param folder what `receive` returned; it is removed @returns the name of the base */
export async function importUpload(
  folder: string,
  storageDirectory: string,
  asked: ImportAsked,
  {
    minFreeBytes,
    onNotice,
    signal,
  }: {
    readonly minFreeBytes: number;
    readonly onNotice: (text: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<string> {
  const { file, name, licence, acceptLicence, features } = asked;
  try {
    let path = join(folder, file);
    if (/\.(?:tar\.gz|tgz)$/.test(file)) {
      const unpacked = join(folder, 'unpacked');
      await makeFolders(unpacked);
      await unpack(path, unpacked, { maxBytes: maxUploadBytes, minFreeBytes, signal });
      path = unpacked;
    }
    const imported = await importBase({
      path,
      storageDirectory,
      name: name ?? (path.endsWith('unpacked') ? file.replace(/\.(?:tar\.gz|tgz)$/, '') : undefined),
      licence,
      acceptLicence,
      features,
      size: sizeOf(asked),
      confirm: async ({ doubts }) => {
        for (const doubt of doubts) onNotice(doubt);
        return true;
      },
    });
    return imported.manifest.name;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** One side is used for both. */
export function sizeOf({
  width,
  height,
}: {
  readonly width?: number | undefined;
  readonly height?: number | undefined;
}) {
  const side = width ?? height;
  return side === undefined ? undefined : { width: width ?? side, height: height ?? side };
}
