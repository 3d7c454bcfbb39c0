/**
 * A file that is being downloaded: `<name>.part` and `<name>.part.json`, which describes the origin of its bytes. A part
 * persists after the end of the process. Its bytes are trusted only after the checks of the whole file.
 */
import { type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { check } from '../../../config/check.ts';
import { syncFolder, writeDurably } from '../../disk/durable.ts';

const originSchema = z.object({
  schema: z.literal(1),
  address: z.string(),
  /** Strong entity tag or date of the answer; null: none. */
  validator: z.string().nullable(),
  /** Size of the whole file, bytes; null: not stated by the hub. */
  total: z.number().int().min(0).nullable(),
  /** Checks of the whole file from the hub. */
  checks: z.array(
    z.object({
      kind: z.enum(['sha256', 'md5', 'sha256-start', 'git-sha1']),
      value: z.string(),
      by: z.string(),
    }),
  ),
});

export type PartOrigin = Omit<z.output<typeof originSchema>, 'schema'>;

export interface Part {
  readonly file: string;
  /** Undefined if there are no bytes to continue. */
  origin(): Promise<PartOrigin | undefined>;
  bytes(): Promise<number>;
  /** Begins at byte 0. */
  begin(origin: PartOrigin): Promise<FileHandle>;
  resume(): Promise<FileHandle>;
  /** Removes it. */
  discard(): Promise<void>;
  /** Renames the part to the file. */
  finish(): Promise<string>;
}

export function partOf(folder: string, name: string, address: string): Part {
  const file = join(folder, `${name}.part`);
  const notes = `${file}.json`;
  const remove = (path: string) => rm(path, { force: true });
  return {
    file,
    async origin() {
      try {
        const read = check(originSchema, JSON.parse(await readFile(notes, 'utf8')));
        return read.success && read.data.address === address ? read.data : undefined;
      } catch {
        return undefined;
      }
    },
    bytes: () =>
      stat(file).then(
        ({ size }) => size,
        () => 0,
      ),
    async begin(origin) {
      // Old bytes must never be used as those of a new answer.
      await remove(file);
      await writeDurably(notes, JSON.stringify({ schema: 1, ...origin }));
      return open(file, 'wx');
    },
    resume: () => open(file, 'a'),
    async discard() {
      await remove(notes);
      await remove(file);
    },
    async finish() {
      const whole = join(folder, name);
      await rename(file, whole);
      await remove(notes);
      await syncFolder(folder);
      return whole;
    },
  };
}
