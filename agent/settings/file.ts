/** The configuration file: written durably, with copies of earlier versions next to it. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { QcError } from '../../config/errors.ts';
import { textOf } from '../../config/secrets.ts';
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
    const previous = await contentOf(target);
    const copy = previous === undefined ? undefined : copyOf(target);
    if (previous && copy) await writeDurably(copy, previous.bytes, previous.mode);
    await writeDurably(target, text, previous?.mode ?? 0o640);
    await removeOldCopies(target);
    return copy === undefined ? null : basename(copy);
  } catch (error) {
    throw notWritable(target, error);
  }
}

interface Content {
  readonly bytes: Buffer;
  readonly mode: number;
}

/** Undefined if there is no file. */
async function contentOf(file: string): Promise<Content | undefined> {
  try {
    return { bytes: await readFile(file), mode: (await stat(file)).mode & 0o777 };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const copyOf = (file: string) => `${file}.${new Date().toISOString().replaceAll(':', '')}`;

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

export interface Secret {
  readonly file: string;
  readonly value: string;
}

/**
 * Writes secrets to files that only their owner can read.
 * @param keepsCopies keeps another previous content as `<name>.<time>`
 * @returns restores the previous files
 * @throws QcError config-not-writable; then the previous files are restored
 */
export async function writeSecrets(
  secrets: readonly Secret[],
  { keepsCopies = false } = {},
): Promise<() => Promise<void>> {
  const undo: (() => Promise<void>)[] = [];
  const restore = async () => {
    for (const one of undo.splice(0).reverse()) await one();
  };
  for (const { file, value } of secrets) {
    try {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      const content = Buffer.from(`${value}\n`);
      const previous = await contentOf(file);
      undo.push(() => writeBack(file, previous));
      if (keepsCopies && previous && !previous.bytes.equals(content)) {
        const copy = copyOf(file);
        undo.push(() => writeBack(copy, undefined));
        await writeDurably(copy, previous.bytes, 0o600);
      }
      await writeDurably(file, content, 0o600);
      if (keepsCopies) await removeOldCopies(file);
    } catch (error) {
      await restore();
      throw notWritable(file, error);
    }
  }
  return restore;
}

async function writeBack(file: string, previous: Content | undefined): Promise<void> {
  try {
    if (previous === undefined) await rm(file, { force: true });
    else await writeDurably(file, previous.bytes, previous.mode);
  } catch (error) {
    throw notWritable(file, error);
  }
}

/** Adds a line to a file that only its owner can read; creates the file. @throws QcError config-not-writable */
export async function addSecretLine(file: string, line: string): Promise<void> {
  try {
    const previous = await contentOf(file);
    const lines = previous === undefined ? '' : textOf(previous.bytes);
    const end = lines === '' || lines.endsWith('\n') ? '' : '\n';
    await writeDurably(file, `${lines}${end}${line}\n`, 0o600);
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
