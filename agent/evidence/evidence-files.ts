/** Images and their sidecars on disk, oldest first, within a quota. All are indexed in memory; incomplete ones are deleted. */
import { readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeDurably } from '../../models/disk/durable.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { type EvidencePaths, isResultId, pathsOf } from './paths.ts';

export interface EvidenceFiles {
  /** Disk space used, bytes. */
  readonly bytes: number;
  /** Number of images. */
  readonly files: number;
  /** Ids, oldest first: those since the start in order of arrival, older ones by time. */
  readonly ids: readonly string[];
  /**
   * Deletes the oldest if there is no space, then writes image and sidecar, each atomically.
   * @returns false if it is larger than the whole quota
   */
  add(resultId: string, picture: Buffer, sidecar: string): Promise<boolean>;
  /** JPEG; undefined if it is not stored. */
  picture(resultId: string): Promise<Buffer | undefined>;
  /** JSON; undefined if it is not stored. */
  sidecar(resultId: string): Promise<string | undefined>;
}

/** Limit besides the quota: the index of this many takes about 25 MB of memory. */
const maxFiles = 250_000;
/** Disks allocate whole blocks, bytes. */
const blockBytes = 4096;
const onDisk = (bytes: number) => Math.ceil(bytes / blockBytes) * blockBytes;
/** Files examined concurrently at the start. */
const atOnce = 32;

interface Kept {
  readonly id: string;
  readonly bytes: number;
}

/**
 * Indexes the stored files. Drafts, images without a sidecar and sidecars without an image were being written or
 * deleted when the power failed: they are deleted. Files of other programs are not touched.
 * @returns also how many incomplete ones were deleted
 */
export async function openEvidenceFiles(
  directory: string,
  quotaBytes: number,
): Promise<{ readonly files: EvidenceFiles; readonly removed: number }> {
  const found = await readShelf(directory);
  let kept = found.kept;
  let bytes = kept.reduce((sum, one) => sum + one.bytes, 0);
  /** Entries before this index are deleted: shifting a long array each time would be as slow as the disk. */
  let first = 0;

  async function removeOldest(): Promise<void> {
    const oldest = kept[first++]!;
    bytes -= oldest.bytes;
    await removeFiles(pathsOf(directory, oldest.id)!);
    if (first > 1_000 && first > kept.length / 2) {
      kept = kept.slice(first);
      first = 0;
    }
  }
  async function makeRoom(wanted: number): Promise<void> {
    while (kept.length > first && (bytes + wanted > quotaBytes || kept.length - first >= maxFiles)) {
      await removeOldest();
    }
  }
  // The quota may have been lowered since.
  await makeRoom(0);

  const read = async <T>(
    resultId: string,
    take: (paths: EvidencePaths) => Promise<T>,
  ): Promise<T | undefined> => {
    const paths = pathsOf(directory, resultId);
    // Deleted meanwhile, or never written.
    return paths && (await take(paths).catch(() => undefined));
  };
  const files: EvidenceFiles = {
    get bytes() {
      return bytes;
    },
    get files() {
      return kept.length - first;
    },
    get ids() {
      return kept.slice(first).map(({ id }) => id);
    },
    async add(resultId, picture, sidecar) {
      const paths = pathsOf(directory, resultId)!;
      const size = onDisk(picture.byteLength) + onDisk(Buffer.byteLength(sidecar));
      if (size > quotaBytes) return false;
      await makeRoom(size);
      await makeFolders(paths.folder);
      try {
        await writeDurably(paths.picture, picture);
        await writeDurably(paths.sidecar, sidecar);
      } catch (error) {
        await removeFiles(paths);
        throw error;
      }
      kept.push({ id: resultId, bytes: size });
      bytes += size;
      return true;
    },
    picture: (resultId) => read(resultId, (paths) => readFile(paths.picture)),
    sidecar: (resultId) => read(resultId, (paths) => readFile(paths.sidecar, 'utf8')),
  };
  return { files, removed: found.removed };
}

/** Deletes the sidecar first: after a power failure an image without a sidecar is left. */
async function removeFiles({ folder, picture, sidecar }: EvidencePaths): Promise<void> {
  for (const file of [sidecar, picture, `${sidecar}.draft`, `${picture}.draft`]) {
    await rm(file, { force: true });
  }
  // Fails unless the folder is empty.
  await rmdir(folder).catch(() => undefined);
}

async function readShelf(directory: string): Promise<{ kept: Kept[]; removed: number }> {
  const kept: Kept[] = [];
  let removed = 0;
  const entries = await readdir(directory, { withFileTypes: true });
  const days = entries.filter((one) => one.isDirectory()).map(({ name }) => name);
  for (const day of days.sort()) {
    const folder = join(directory, day);
    const names = new Set(await readdir(folder));
    const ids = new Set(Array.from(names, idOf).filter((id) => id !== undefined));
    const mine = [...ids].filter((id) => dirname(pathsOf(directory, id)!.picture) === folder).sort();
    for (let i = 0; i < mine.length; i += atOnce) {
      const some = mine.slice(i, i + atOnce);
      const sizes = await Promise.all(some.map((id) => sizeOf(directory, id, names)));
      for (const [index, bytes] of sizes.entries()) {
        const id = some[index]!;
        if (bytes !== undefined) {
          kept.push({ id, bytes });
        } else {
          await removeFiles(pathsOf(directory, id)!);
          removed++;
        }
      }
    }
  }
  return { kept, removed };
}

/** Name of an image, a sidecar or a draft of either. */
function idOf(name: string): string | undefined {
  const [, id = ''] = /^(.{26})\.(?:jpg|json)(?:\.draft)?$/.exec(name) ?? [];
  return isResultId(id) ? id : undefined;
}

/** Disk space of both files, bytes; undefined unless both are complete. */
async function sizeOf(
  directory: string,
  id: string,
  names: ReadonlySet<string>,
): Promise<number | undefined> {
  const { picture, sidecar } = pathsOf(directory, id)!;
  if (!names.has(`${id}.jpg`) || !names.has(`${id}.json`)) return undefined;
  if (names.has(`${id}.jpg.draft`) || names.has(`${id}.json.draft`)) return undefined;
  const sizes = await Promise.all([picture, sidecar].map(async (file) => (await stat(file)).size));
  return sizes.includes(0) ? undefined : sizes.reduce((sum, size) => sum + onDisk(size), 0);
}
