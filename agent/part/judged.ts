/** Hashes of judged images, on disk, so that a camera that shows them again after a restart of the agent is detected. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { makeFolders } from '../../models/disk/folders.ts';
import type { Log } from '../lifecycle/log.ts';

/** Number of remembered images while the agent runs, and number of those on disk. */
const REMEMBERED = 10_000;
const KEPT = 500;
/** Delay of writing to the disk, ms: a power cut may lose the latest entries. */
const WRITE_AFTER_MS = 2_000;

const fileSchema = z.strictObject({ schema: z.literal(1), prints: z.array(z.string().max(100)).max(KEPT) });

export interface JudgedImages extends AsyncDisposable {
  /** Whether an image with this hash was judged for an earlier part. */
  has(print: string): boolean;
  /** Adds images that are judged now. */
  add(prints: readonly string[]): void;
}

/** A file that cannot be read or written is only reported. */
export async function openJudgedImages(
  storageDirectory: string,
  camera: string,
  log: Log,
): Promise<JudgedImages> {
  const file = join(storageDirectory, 'judged', `${camera}.json`);
  const prints = new Set<string>(await read(file, log));
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  async function write(): Promise<void> {
    const content = JSON.stringify({ schema: 1, prints: [...prints].slice(-KEPT) });
    try {
      await makeFolders(dirname(file));
      await writeFile(`${file}.draft`, content);
      await rename(`${file}.draft`, file);
    } catch (error) {
      log.warn({ file, err: error }, 'the list of judged images cannot be written');
    }
  }
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    writing = writing.then(write);
  };

  return {
    has: (print) => prints.has(print),
    add(added) {
      for (const print of added) {
        prints.delete(print);
        prints.add(print);
        if (prints.size > REMEMBERED) prints.delete(prints.keys().next().value!);
      }
      if (added.length > 0) timer ??= setTimeout(flush, WRITE_AFTER_MS);
    },
    async [Symbol.asyncDispose]() {
      if (timer) flush();
      await writing;
    },
  };
}

async function read(file: string, log: Log): Promise<readonly string[]> {
  try {
    return fileSchema.parse(JSON.parse(await readFile(file, 'utf8'))).prints;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      log.warn({ file, err: error }, 'the list of judged images cannot be read');
    }
    return [];
  }
}
