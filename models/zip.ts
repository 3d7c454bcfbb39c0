/** Reading zip files that somebody else may have made: bounded, no links, no way out of the archive. */
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { type Entry, type Options, open, type ZipFile } from 'yauzl';

export interface ZipArchive extends AsyncDisposable {
  /** By name: what the archive states as its size, bytes; proved while it is read. */
  readonly sizes: ReadonlyMap<string, number>;
  open(name: string): Promise<Readable>;
}

const openFile = promisify<string, Options, ZipFile>(open);

/** Throws an Error in plain words where it is no zip, leads outside, or holds more files than allowed. */
export async function openZip(path: string, mostFiles: number): Promise<ZipArchive> {
  // The reader refuses names that are absolute, hold a backslash or lead upwards.
  const zip = await openFile(path, { lazyEntries: true, autoClose: false, strictFileNames: true });
  const stream = promisify<Entry, Readable>(zip.openReadStream.bind(zip));
  const entries = new Map<string, Entry>();
  try {
    await new Promise<void>((resolve, reject) => {
      zip.on('error', reject);
      zip.on('end', resolve);
      zip.on('entry', (entry: Entry) => {
        if (entries.size >= mostFiles) return reject(new Error(`it has over ${mostFiles} files`));
        // Unix keeps a file's kind in the upper half; a link would lead anywhere.
        const isLink = ((entry.externalFileAttributes >>> 16) & 0o170000) === 0o120000;
        if (!entry.fileName.endsWith('/') && !isLink) entries.set(entry.fileName, entry);
        zip.readEntry();
      });
      zip.readEntry();
    });
  } catch (error) {
    zip.close();
    throw error;
  }
  return {
    sizes: new Map(Array.from(entries, ([name, entry]) => [name, entry.uncompressedSize])),
    open: (name) => stream(entries.get(name)!),
    [Symbol.asyncDispose]: async () => zip.close(),
  };
}
