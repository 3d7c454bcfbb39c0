/** Unpacks a .tar.gz of a hub: plain files only, below the folder, of a bounded total size. */
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { QcError } from '../../../config/errors.ts';
import { makeFolders } from '../../disk/folders.ts';
import { requireSpace } from './space.ts';

const block = 512;
const maxEntries = 1_000;

export interface UnpackLimits {
  readonly maxBytes: number;
  /** Free space that must remain on the disk. */
  readonly minFreeBytes: number;
  readonly signal: AbortSignal;
}

/** @throws QcError weights-damaged, download-too-large, disk-too-small */
export async function unpack(
  archive: string,
  folder: string,
  { maxBytes, minFreeBytes, signal }: UnpackLimits,
): Promise<void> {
  const stream = createReadStream(archive).pipe(createGunzip());
  const damaged = (why: string, cause?: unknown) =>
    new QcError('weights-damaged', `${archive}: ${why}`, { cause });
  let pending: Buffer = Buffer.alloc(0);
  let entry: { readonly handle: FileHandle | undefined; left: number; padding: number } | undefined;
  let [total, entries, isEnded] = [0, 0, false];

  async function take(): Promise<boolean> {
    if (entry) {
      const part = pending.subarray(0, entry.left);
      if (part.length > 0) await entry.handle?.appendFile(part);
      entry.left -= part.length;
      pending = pending.subarray(part.length);
      if (entry.left > 0 || pending.length < entry.padding) return false;
      pending = pending.subarray(entry.padding);
      await entry.handle?.close();
      entry = undefined;
      return true;
    }
    if (pending.length < block) return false;
    const header = pending.subarray(0, block);
    pending = pending.subarray(block);
    if (header.every((byte) => byte === 0)) {
      isEnded = true;
      return true;
    }
    const { name, size, type } = readHeader(header, damaged);
    if (++entries > maxEntries) throw damaged('it has too many files');
    total += size;
    if (total > maxBytes)
      throw new QcError(
        'download-too-large',
        `${archive} unpacks to more than ${Math.round(maxBytes / 1e6)} MB`,
      );
    await requireSpace(folder, size, minFreeBytes);
    entry = {
      handle: type === 'file' ? await create(name) : undefined,
      left: size,
      padding: (block - (size % block)) % block,
    };
    return true;
  }

  async function create(name: string): Promise<FileHandle> {
    const parts = name.split('/').filter((part) => part !== '.' && part !== '');
    if (parts.length === 0 || name.startsWith('/') || !parts.every((part) => /^[\w+-][\w.+-]*$/.test(part)))
      throw damaged('it contains a file outside of its folder');
    const file = join(folder, ...parts);
    await makeFolders(dirname(file));
    return open(file, 'wx');
  }

  try {
    for await (const chunk of stream) {
      signal.throwIfAborted();
      if (isEnded) continue;
      pending = pending.length === 0 ? (chunk as Buffer) : Buffer.concat([pending, chunk as Buffer]);
      while (!isEnded && (await take()));
    }
    if (entry || !isEnded) throw damaged('it ends too early');
  } catch (error) {
    if (error instanceof QcError || signal.aborted) throw error;
    throw damaged(`it cannot be unpacked (${(error as Error).message})`, error);
  } finally {
    stream.destroy();
    await entry?.handle?.close().catch(() => undefined);
  }
}

function readHeader(header: Buffer, damaged: (why: string) => QcError) {
  const text = (from: number, to: number) => header.toString('latin1', from, to).replace(/\0.*$/s, '').trim();
  const stated = Number.parseInt(text(148, 156), 8);
  const sum = header.reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (stated !== sum) throw damaged('a header is damaged');
  const size = /^[0-7]+$/.test(text(124, 136)) ? Number.parseInt(text(124, 136), 8) : -1;
  if (size < 0) throw damaged('a size is damaged');
  const flag = text(156, 157);
  const prefix = text(257, 262) === 'ustar' ? text(345, 500) : '';
  const name = `${prefix === '' ? '' : `${prefix}/`}${text(0, 100)}`;
  if (flag === '' || flag === '0') return { name, size, type: 'file' as const };
  // Folders follow from their files; extended headers hold times and owners.
  if (['5', 'x', 'g'].includes(flag)) return { name, size, type: 'skipped' as const };
  throw damaged(`it contains a link or a device: ${JSON.stringify(name)}`);
}
