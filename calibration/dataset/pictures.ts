/** Pictures of an ImageFolder, from a directory or a zip file, one at a time: nothing but names is held in memory. */
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { QcError } from '../../config/errors.ts';
import { labelOfFolder } from '../../config/label-name.ts';
import { openZip } from '../../models/zip.ts';

/** A larger file is no picture of a part, bytes. */
const largestFile = 100_000_000;
const mostFiles = 500_000;
const pictureTypes = new Set(['.png', '.jpg', '.jpeg', '.bmp', '.webp']);
const journalName = 'labels.jsonl';

export interface PictureFile {
  /** As its owner knows it: `scratch/a.png`. */
  readonly name: string;
  readonly label: string;
  /** Throws an Error that says why not. */
  read(): Promise<Buffer>;
}

export interface PictureSource extends AsyncDisposable {
  readonly files: readonly PictureFile[];
  /** Names of files that are no pictures, or lie in no label's folder. */
  readonly others: readonly string[];
  /** Lines of the labels.jsonl that an export brings along. */
  lines(): AsyncIterable<string>;
}

/**
 * Opens a folder or a .zip that holds one folder of pictures for each label, at any depth.
 * @throws QcError dataset-source
 */
export async function openPictures(path: string): Promise<PictureSource> {
  const facts = await stat(path).catch(() => undefined);
  if (!facts) throw new QcError('dataset-source', `there is no file or folder ${path}`);
  if (facts.isDirectory()) return openFolder(path);
  if (extname(path).toLowerCase() === '.zip') return openZipSource(path);
  throw new QcError('dataset-source', `${path} is neither a folder nor a .zip`);
}

async function openFolder(path: string): Promise<PictureSource> {
  const names: string[] = [];
  const look = async (folder: string): Promise<void> => {
    for (const entry of await readdir(join(path, folder), { withFileTypes: true })) {
      const name = join(folder, entry.name);
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory()) await look(name);
      else if (entry.isFile()) names.push(name);
      if (names.length > mostFiles)
        throw new QcError('dataset-source', `${path} has over ${mostFiles} files`);
    }
  };
  await look('');
  return sourceOf(names.sort(), {
    async read(name) {
      const { size } = await stat(join(path, name));
      if (size > largestFile) throw new Error(tooLarge(size));
      return readFile(join(path, name));
    },
    lines: (name) => createInterface({ input: createReadStream(join(path, name)) }),
    close: async () => undefined,
  });
}

async function openZipSource(path: string): Promise<PictureSource> {
  const refuse = (cause: unknown) =>
    new QcError('dataset-source', `${path} cannot be used: ${(cause as Error).message}`, { cause });
  const zip = await openZip(path, mostFiles).catch((error) => {
    throw refuse(error);
  });
  return sourceOf([...zip.sizes.keys()], {
    async read(name) {
      const size = zip.sizes.get(name)!;
      if (size > largestFile) throw new Error(tooLarge(size));
      return buffer(await zip.open(name));
    },
    async *lines(name) {
      yield* createInterface({ input: await zip.open(name) });
    },
    close: async () => zip[Symbol.asyncDispose](),
  });
}

interface Files {
  read(name: string): Promise<Buffer>;
  lines(name: string): AsyncIterable<string>;
  close(): Promise<void>;
}

function sourceOf(names: readonly string[], files: Files): PictureSource {
  const pictures: PictureFile[] = [];
  const others: string[] = [];
  let journal: string | undefined;
  for (const name of names) {
    const folder = basename(dirname(name));
    const isPicture = pictureTypes.has(extname(name).toLowerCase());
    const isHidden = name.split(/[\\/]/).some((part) => part.startsWith('.') || part === '__MACOSX');
    if (basename(name) === journalName) journal = name;
    else if (!isPicture || isHidden || folder === '' || folder === '.') others.push(name);
    else pictures.push({ name, label: labelOfFolder(folder), read: () => files.read(name) });
  }
  return {
    files: pictures,
    others,
    async *lines() {
      if (journal !== undefined) yield* files.lines(journal);
    },
    [Symbol.asyncDispose]: () => files.close(),
  };
}

const tooLarge = (bytes: number) =>
  `it has ${Math.round(bytes / 1e6)} MB, ${largestFile / 1e6} MB are the most`;
