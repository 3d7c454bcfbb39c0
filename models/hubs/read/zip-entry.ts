/** Reads one file of a zip into memory. */
import type { ZipArchive } from '../../disk/zip.ts';
import { damaged } from './bytes.ts';
import { shown } from './tensors.ts';

/**
 * @param file named in messages
 * @param most maximum size, bytes
 * @param exactly required size
 * @throws QcError weights-damaged
 */
export async function readEntry(
  zip: ZipArchive,
  file: string,
  entry: string,
  most: number,
  exactly?: number,
): Promise<Uint8Array> {
  const size = zip.sizes.get(entry);
  if (size === undefined) {
    const refused = zip.refused.find(({ name }) => name === entry);
    throw damaged(file, `${shown(entry)} ${refused ? `cannot be read: ${refused.reason}` : 'is not in it'}`);
  }
  if (size > most || (exactly !== undefined && size !== exactly))
    throw damaged(
      file,
      `${shown(entry)} has ${size} bytes instead of ${exactly === undefined ? 'at most ' : ''}${most}`,
    );
  const bytes = new Uint8Array(size);
  let at = 0;
  try {
    for await (const chunk of (await zip.open(entry)) as AsyncIterable<Buffer>) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
  } catch (cause) {
    throw damaged(file, `${shown(entry)} cannot be read: ${(cause as Error).message}`, cause);
  }
  if (at !== size) throw damaged(file, `${shown(entry)} ends after ${at} of ${size} bytes`);
  return bytes;
}
