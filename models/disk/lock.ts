/**
 * One owner of a folder at a time, whichever process it is and whichever container it runs in: a lock of the operating
 * system on an open file (fcntl, open file description), which ends with its process. The file names the owner for
 * whoever finds it locked; while it is not locked, it means nothing.
 */
import { close, constants, fstat, ftruncate, open, readFileSync, write } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { kill, pid } from 'node:process';
import { promisify } from 'node:util';
import { tryLock } from 'fs-native-extensions';
import { type ErrorCode, QcError } from '../../config/errors.ts';

/** Held by this process. */
const held = new Set<string>();

/** What whoever comes second is told. */
export interface Busy {
  readonly code: ErrorCode;
  /** What the holder does: "is writing to the dataset". */
  readonly does: string;
}

/**
 * Takes the lock file until it is disposed of.
 * @throws QcError of the given code if another one holds it, or what the operating system says
 */
export async function takeLock(path: string, { code, does }: Busy): Promise<AsyncDisposable> {
  const file = resolve(path);
  for (;;) {
    if (held.has(file)) throw new QcError(code, `this process (${pid}) ${does} already (${file})`);
    // A number, not a FileHandle: nothing may close it because nobody refers to it any more.
    const fd = await promisify(open)(file, constants.O_RDWR | constants.O_CREAT, 0o640);
    try {
      const isMine = isLocked(fd);
      const owner = await ownerOf(file);
      // Versions up to 0.1 do not lock the file: there, the process that it names holds it as long as it runs.
      if (!isMine || (owner.number !== pid && isRunning(owner))) {
        throw new QcError(code, `${nameOf(owner)} ${does} (${file})`);
      }
      if (await isThere(fd, file)) {
        held.add(file);
        await sign(fd);
        return {
          async [Symbol.asyncDispose]() {
            // Removed while it is still locked: whoever has opened it meanwhile notices that it is another file.
            await rm(file, { force: true }).catch(() => undefined);
            await promisify(close)(fd);
            held.delete(file);
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

/** Whether this process has it now. A file system that knows no locks leaves it to what the file says. */
function isLocked(fd: number): boolean {
  try {
    return tryLock(fd);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOLCK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'].includes(code)) return true;
    throw error;
  }
}

/** Whether the file at that path is still the one that is open: its last owner may have removed it. */
async function isThere(fd: number, file: string): Promise<boolean> {
  const [mine, there] = await Promise.all([promisify(fstat)(fd), stat(file).catch(() => undefined)]);
  return there !== undefined && mine?.ino === there.ino && mine.dev === there.dev;
}

/** Writes down who has it; a disk without room keeps nobody from having it. */
async function sign(fd: number): Promise<void> {
  try {
    await promisify(ftruncate)(fd, 0);
    await new Promise<void>((done, failed) => {
      write(fd, `${pid} ${startOf(pid)}\n`, 0, (error) => (error ? failed(error) : done()));
    });
  } catch {
    // The lock is what counts.
  }
}

/** Who a lock file names. */
interface Owner {
  /** 0 if it names none. */
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

/** A process of that number that started at that time: numbers come again, above all in containers. */
function isRunning({ number, start }: Owner): boolean {
  if (!(number > 0)) return false;
  try {
    kill(number, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return start === '' || startOf(number) === start;
}

/** When a process started, clock ticks since the machine did (proc(5), field 22); empty if that cannot be read. */
function startOf(owner: number): string {
  try {
    const text = readFileSync(`/proc/${owner}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
