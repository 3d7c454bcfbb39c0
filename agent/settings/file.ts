/** The configuration file: written durably, with copies of earlier versions next to it. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { QcError } from '../../config/errors.ts';
import { writeDurably } from '../../models/disk/durable.ts';

/** Number of copies that are kept. */
const copies = 20;

export const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');

/**
 * Writes the file and keeps its previous content as `<name>.<time>`. A link stays a link: its target is written.
 * @returns name of the copy; null if there was no file
 * @throws QcError config-not-writable
 */
export async function writeConfigFile(file: string, text: string): Promise<string | null> {
  const target = await realpath(file).catch(() => file);
  try {
    const previous = await readFile(target).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    const mode = previous === undefined ? 0o640 : (await stat(target)).mode & 0o777;
    let copy: string | null = null;
    if (previous !== undefined) {
      copy = `${basename(target)}.${new Date().toISOString().replaceAll(':', '')}`;
      await writeDurably(join(dirname(target), copy), previous, mode);
    }
    await writeDurably(target, text, mode);
    await removeOldCopies(target);
    return copy;
  } catch (error) {
    throw notWritable(target, error);
  }
}

/** The new file is in place already: a copy that cannot be removed stays. */
async function removeOldCopies(file: string): Promise<void> {
  const isCopy = (name: string) =>
    name.startsWith(`${basename(file)}.`) && /\.\d{4}-\d\d-\d\dT\d{6}\.\d{3}Z$/.test(name);
  const names = await readdir(dirname(file)).catch(() => []);
  const found = names.filter(isCopy).sort();
  for (const name of found.slice(0, Math.max(0, found.length - copies)))
    await rm(join(dirname(file), name)).catch(() => undefined);
}

/** The file of a new secret, relative to the configuration. @param path of the key that names it. @throws QcError config-not-editable */
export function secretFile(path: readonly string[]): string {
  const name = path.slice(0, -1).join('-');
  if (/^(passwordFile|tokenFile)$/.test(path.at(-1) ?? '') && /^[A-Za-z0-9_-]{1,100}$/.test(name)) {
    return `./secrets/${name}`;
  }
  throw new QcError('config-not-editable', `${path.join('.')} does not name the file of a secret`);
}

/** Writes a secret to a file that only its owner can read. @throws QcError config-not-writable */
export async function writeSecret(file: string, secret: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeDurably(file, `${secret}\n`, 0o600);
  } catch (error) {
    throw notWritable(file, error);
  }
}

function notWritable(file: string, error: unknown): QcError {
  const { code, message } = error as NodeJS.ErrnoException;
  const why =
    code === 'EACCES' || code === 'EPERM'
      ? 'no permission'
      : code === 'EROFS'
        ? 'the file system is read-only'
        : message;
  return new QcError('config-not-writable', `${file} cannot be written: ${why}`, { cause: error });
}
