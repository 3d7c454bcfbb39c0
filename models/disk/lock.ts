/**
 * Exclusive ownership of a folder across processes and containers: an operating system lock on an open file (fcntl, open file
 * description), which is released when its process ends. The file contains the owner for error messages; its content has no
 * meaning while it is not locked.
 */
import { close, constants, fstat, ftruncate, open, readFileSync, write } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { kill, pid } from 'node:process';
import { promisify } from 'node:util';
import { tryLock } from 'fs-native-extensions';
import { type ErrorCode, QcError } from '../../config/errors.ts';

/** Lock files that this process holds. */
const owned = new Set<string>();

/** Error for a second owner. */
export interface Busy {
  readonly code: ErrorCode;
  /** What the owner does, for the message: "is writing to the dataset". */
  readonly does: string;
}

/**
 * Takes the lock until it is disposed of.
 * @throws QcError with the given code if another owner holds it, or errors of the operating system
 */
export async function takeLock(path: string, { code, does }: Busy): Promise<AsyncDisposable> {
  const file = resolve(path);
  for (;;) {
    if (owned.has(file)) throw new QcError(code, `this process (${pid}) ${does} already (${file})`);
    // A file descriptor instead of a FileHandle, which garbage collection could close.
    const fd = await promisify(open)(file, constants.O_RDWR | constants.O_CREAT, 0o640);
    try {
      const isMine = isLocked(fd);
      const owner = await ownerOf(file);
      // Versions up to 0.1 do not lock the file: there, the process named in it is the owner while it runs.
      if (!isMine || (owner.number !== pid && isRunning(owner))) {
        throw new QcError(code, `${nameOf(owner)} ${does} (${file})`);
      }
      if (await isThere(fd, file)) {
        owned.add(file);
        await writeOwner(fd);
        return {
          async [Symbol.asyncDispose]() {
            // Removed while it is still locked, so that a process that has opened it meanwhile notices it was replaced.
            await rm(file, { force: true }).catch(() => undefined);
            await promisify(close)(fd);
            owned.delete(file);
          },
        };
      }
    } catch (error) {
      await promisify(close)(fd);
      throw error;
    }
    await promisify(close)(fd);
  }
}

/** Whether this process holds the lock. On a file system without locks only the content of the file is used. */
function isLocked(fd: number): boolean {
  try {
    return tryLock(fd);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOLCK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'].includes(code)) return true;
    throw error;
  }
}

/** Whether the path still refers to the open file: its last owner may have removed it. */
async function isThere(fd: number, file: string): Promise<boolean> {
  const [mine, there] = await Promise.all([promisify(fstat)(fd), stat(file).catch(() => undefined)]);
  return there !== undefined && mine?.ino === there.ino && mine.dev === there.dev;
}

/** Writes the owner to the file; a full disk does not prevent locking. */
async function writeOwner(fd: number): Promise<void> {
  try {
    await promisify(ftruncate)(fd, 0);
    await new Promise<void>((done, failed) => {
      write(fd, `${pid} ${startOf(pid)}\n`, 0, (error) => (error ? failed(error) : done()));
    });
  } catch {
    // The content is only for error messages.
  }
}

/** The owner in a lock file. */
interface Owner {
  /** Process number; 0 if there is none. */
  readonly number: number;
  /** When the process started; empty if that could not be read. */
  readonly start: string;
}

async function ownerOf(file: string): Promise<Owner> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const [, number = '0', start = ''] = /^(\d+) ?(\d*)\s*$/.exec(text) ?? [];
  return { number: Number(number), start };
}

function nameOf(owner: Owner): string {
  if (owner.number === 0) return 'another process';
  return isRunning(owner)
    ? `process ${owner.number}`
    : `a process of another container (number ${owner.number} there)`;
}

/** Whether a process with this number and start time runs: numbers are reused, especially in containers. */
function isRunning({ number, start }: Owner): boolean {
  if (!(number > 0)) return false;
  try {
    kill(number, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return start === '' || startOf(number) === start;
}

/** Start time of a process, clock ticks since boot (proc(5), field 22); empty if unknown. */
function startOf(owner: number): string {
  try {
    const text = readFileSync(`/proc/${owner}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
