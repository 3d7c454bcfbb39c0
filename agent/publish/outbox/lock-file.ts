/**
 * lmdb's lock file is written through memory: if the disk has no room for one of its pages, the process is killed (SIGBUS).
 */
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Enough for lmdb's 126 readers, bytes. */
const lockBytes = 16_384;

/**
 * Allocates all of its pages on the disk before lmdb opens the store.
 * @param mayBeReadOnly lmdb reads a store without a lock file if none can be written
 * @throws the error of the operating system: then the store must not be opened
 */
export function reserveLockFile(directory: string, mayBeReadOnly: boolean): void {
  let fd: number;
  try {
    fd = openSync(join(directory, 'lock.mdb'), constants.O_RDWR | constants.O_CREAT, 0o664);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (mayBeReadOnly && ['EROFS', 'EACCES', 'EPERM'].includes(code)) return;
    throw error;
  }
  try {
    const { size, blocks } = fstatSync(fd);
    if (size >= lockBytes && blocks * 512 >= lockBytes) return;
    const bytes = Buffer.alloc(Math.max(size, lockBytes));
    readSync(fd, bytes, 0, size, 0);
    writeSync(fd, bytes, 0, bytes.length, 0);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
