/** The files of a folder or a zip, read one at a time: only names are kept in memory. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { extname, join, posix } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { QcError } from '../../config/errors.ts';
import { openZip } from '../../models/disk/zip.ts';

const maxFiles = 500_000;
const megabyte = 1_000_000;

export interface SourceFile {
  /** Path relative to the source, with forward slashes: `scratch/a.png`. */
  readonly name: string;
  readonly bytes: number;
  /** Throws an Error with the reason. */
  read(): Promise<Buffer>;
}

export interface Skipped {
  readonly file: string;
  readonly reason: string;
}

export interface Source extends AsyncDisposable {
  /** As given on the command line. */
  readonly path: string;
  /** Sorted by name. */
  readonly files: readonly SourceFile[];
  /** Files that are not read. */
  readonly skipped: readonly Skipped[];
}

export interface SourceOptions {
  /** Follows symbolic links, also outside of the folder. */
  readonly followLinks?: boolean;
}

/**
 * Opens a folder or a .zip.
 * @throws QcError dataset-source
 */
export async function openSource(path: string, options: SourceOptions = {}): Promise<Source> {
  const facts = await stat(path).catch(() => undefined);
  if (!facts) throw new QcError('dataset-source', `there is no file or folder ${path}`);
  if (facts.isDirectory()) return openFolder(path, options);
  if (extname(path).toLowerCase() === '.zip') return openZipSource(path);
  throw new QcError('dataset-source', `${path} is neither a folder nor a .zip`);
}

async function openFolder(path: string, { followLinks = false }: SourceOptions): Promise<Source> {
  const files: SourceFile[] = [];
  const skipped: Skipped[] = [];
  const skip = (file: string, reason: string) => void skipped.push({ file, reason });

  /** @param above real paths of the folder and its parents: a link to one of them would be an endless loop */
  async function look(folder: string, above: readonly string[]): Promise<void> {
    const entries = await readdir(join(path, folder), { withFileTypes: true }).catch((error: Error) => {
      if (folder === '') throw new QcError('dataset-source', `cannot read ${path}: ${error.message}`);
      skip(folder, `the folder cannot be read: ${error.message}`);
      return [];
    });
    for (const entry of entries) {
      const name = posix.join(folder, entry.name);
      if (files.length + skipped.length >= maxFiles)
        throw new QcError('dataset-source', `${path} has over ${maxFiles} files`);
      const hidden = hiddenReason(entry.name, entry.isDirectory());
      if (hidden !== undefined) skip(name, hidden);
      else if (name.includes('\ufffd')) skip(name, 'its name is not valid UTF-8: rename it');
      else if (entry.isDirectory()) await look(name, [...above, join(above.at(-1)!, entry.name)]);
      else if (entry.isFile()) await take(name);
      else if (entry.isSymbolicLink()) await follow(name, above);
      else skip(name, 'neither a file nor a folder');
    }
  }

  async function follow(name: string, above: readonly string[]): Promise<void> {
    const link = join(path, name);
    const facts = await stat(link).catch((error: NodeJS.ErrnoException) => error);
    if (facts instanceof Error) {
      const why = facts.code === 'ELOOP' ? 'leads to itself' : 'leads nowhere';
      return skip(name, `symbolic link that ${why}`);
    }
    if (!followLinks) return skip(name, 'symbolic link, not followed: --follow-links reads what it leads to');
    const real = await realpath(link);
    if (facts.isFile()) await take(name);
    else if (!facts.isDirectory()) skip(name, 'neither a file nor a folder');
    else if (above.includes(real)) skip(name, 'symbolic link to a folder that it lies in');
    else await look(name, [...above, real]);
  }

  async function take(name: string): Promise<void> {
    const file = join(path, name);
    try {
      const { size } = await stat(file);
      files.push({ name, bytes: size, read: () => readFile(file) });
    } catch (error) {
      skip(name, `cannot be read: ${(error as Error).message}`);
    }
  }

  await look('', [await realpath(path)]);
  return { path, files: sorted(files), skipped, [Symbol.asyncDispose]: async () => undefined };
}

async function openZipSource(path: string): Promise<Source> {
  const zip = await openZip(path, maxFiles).catch((cause) => {
    throw new QcError('dataset-source', `${path} cannot be used: ${(cause as Error).message}`, { cause });
  });
  const files: SourceFile[] = [];
  const skipped: Skipped[] = zip.refused.map(({ name: file, reason }) => ({ file, reason }));
  for (const [name, bytes] of zip.sizes) {
    const hidden = name.split('/').map((part) => hiddenReason(part, false));
    const reason = hidden.find((one) => one !== undefined);
    if (reason !== undefined) skipped.push({ file: name, reason });
    else files.push({ name, bytes, read: async () => buffer(await zip.open(name)) });
  }
  return { path, files: sorted(files), skipped, [Symbol.asyncDispose]: () => zip[Symbol.asyncDispose]() };
}

/** The content of a file. Throws an Error with a message for the user if it is empty or too large. */
export async function readWhole({ bytes, read }: SourceFile, largest: number): Promise<Buffer> {
  if (bytes === 0) throw new Error('the file is empty (0 bytes)');
  if (bytes > largest)
    throw new Error(`it has ${Math.round(bytes / megabyte)} MB; the maximum is ${largest / megabyte} MB`);
  return read();
}

/** Files created by operating systems and tools. */
const litter = new Set(['thumbs.db', 'desktop.ini', 'ehthumbs.db']);

function hiddenReason(name: string, isFolder: boolean): string | undefined {
  if (name === '__MACOSX') return 'left by macOS, not an image';
  if (name.startsWith('._')) return 'left by macOS, not an image';
  if (name.startsWith('.')) return isFolder ? 'hidden folder, not opened' : 'hidden file';
  return litter.has(name.toLowerCase()) ? 'left by Windows, not an image' : undefined;
}

const sorted = (files: SourceFile[]) =>
  files.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
