/** Reads untrusted zip files: bounded, without links, and without paths outside of the archive. */
import { close, fstat, open, read } from 'node:fs';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import {
  type Entry,
  fromRandomAccessReader,
  getFileNameLowLevel,
  type Options,
  RandomAccessReader,
  validateFileName,
  type ZipFile,
} from 'yauzl';

export interface ZipArchive extends AsyncDisposable {
  /** Size of each file as stated in the archive, bytes; verified while it is read. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Entries that cannot be opened, each with its reason: links, encrypted files, a name that occurs twice. */
  readonly refused: readonly { readonly name: string; readonly reason: string }[];
  open(name: string): Promise<Readable>;
}

const openFrom = promisify<RandomAccessReader, number, Options, ZipFile>(fromRandomAccessReader);
const readChunk = promisify(read<Buffer>);
const chunkLength = 65_536;
/** Stored and deflated; Windows may use Deflate64 (9) for files above 2 GB. */
const readableMethods = [0, 8];

/** Throws an Error with a message for the user if it is not a zip, has paths outside of it, or has more than `maxFiles` files. */
export async function openZip(path: string, maxFiles: number): Promise<ZipArchive> {
  const zip = await openFile(path);
  const stream = promisify<Entry, Readable>(zip.openReadStream.bind(zip));
  const entries = new Map<string, Entry>();
  const refused: { name: string; reason: string }[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      zip.on('error', reject);
      zip.on('end', resolve);
      zip.on('entry', (entry: Entry) => {
        if (entries.size + refused.length >= maxFiles)
          return reject(new Error(`it has more than ${maxFiles} files`));
        const name = nameOf(entry);
        const fault = validateFileName(name);
        if (fault !== null) return reject(new Error(fault));
        if (!name.endsWith('/')) {
          const reason = entries.has(name) ? 'its name occurs twice in the zip' : refusal(entry);
          if (reason === undefined) entries.set(name, entry);
          else refused.push({ name, reason });
        }
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
    refused,
    open: (name) => stream(entries.get(name)!),
    [Symbol.asyncDispose]: async () => zip.close(),
  };
}

async function openFile(path: string): Promise<ZipFile> {
  const handle = await promisify(open)(path, 'r');
  try {
    const { size } = await promisify(fstat)(handle);
    const options = { lazyEntries: true, autoClose: false, decodeStrings: false };
    return await openFrom(new WithinFile(handle, size), size, options);
  } catch (error) {
    await promisify(close)(handle);
    throw error;
  }
}

/**
 * Reads at any offset that a zip names. yauzl's own reader throws in a callback, where nobody can catch it, for offsets above
 * 2^53, which a Zip64 record can have.
 */
class WithinFile extends RandomAccessReader {
  readonly #handle: number;
  readonly #size: number;

  constructor(handle: number, size: number) {
    super();
    this.#handle = handle;
    this.#size = size;
  }

  #fault(from: number, to: number): Error | undefined {
    const isWithin = from >= 0 && from <= to && to <= this.#size;
    return isWithin ? undefined : new Error(`it names bytes ${from} to ${to}, but ends at ${this.#size}`);
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    const fault = this.#fault(position, position + length);
    if (fault) setImmediate(callback, fault);
    else read(this.#handle, buffer, offset, length, position, callback);
  }

  override _readStreamForRange(start: number, end: number): Readable {
    const fault = this.#fault(start, end);
    if (fault) return new Readable({ read: () => undefined }).destroy(fault);
    // A stream of node:fs would close the file when it is destroyed, which all entries share.
    return Readable.from(this.#chunks(start, end), { objectMode: false });
  }

  async *#chunks(start: number, end: number): AsyncGenerator<Buffer> {
    for (let at = start; at < end; ) {
      const length = Math.min(chunkLength, end - at);
      const { bytesRead, buffer } = await readChunk(this.#handle, Buffer.allocUnsafe(length), 0, length, at);
      if (bytesRead === 0) throw new Error('it became shorter while it was read');
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  override close(callback: (error: Error | null) => void): void {
    close(this.#handle, (error) => callback(error ?? null));
  }
}

/** The flag for UTF-8 names, and the extra field in which Info-ZIP stores a UTF-8 name. */
const utf8Flag = 0x800;
const utf8Field = 0x7075;

/**
 * The name with forward slashes; older Windows tools write backslashes. Without the flag or field for UTF-8, a name may still be
 * UTF-8 (macOS) or code page 437 (Windows).
 */
function nameOf({ fileNameRaw: raw, generalPurposeBitFlag: flags, extraFields }: Entry): string {
  const says = (flags & utf8Flag) !== 0 || extraFields.some(({ id }) => id === utf8Field);
  return getFileNameLowLevel(!says && isUtf8(raw) ? flags | utf8Flag : flags, raw, extraFields, false);
}

function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function refusal(entry: Entry): string | undefined {
  // Unix stores the file type in the upper half. A link could refer to any file.
  const isLink = ((entry.externalFileAttributes >>> 16) & 0o170000) === 0o120000;
  if (isLink) return 'symbolic link inside a zip: put the file itself into the zip';
  if (entry.isEncrypted()) return 'encrypted: make a zip without a password';
  if (!readableMethods.includes(entry.compressionMethod))
    return `compression method ${entry.compressionMethod} is not read: make the zip with Deflate`;
  return undefined;
}
