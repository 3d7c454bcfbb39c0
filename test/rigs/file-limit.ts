/** A disk that is full for one process: its files cannot grow (EFBIG where a full disk says ENOSPC). */
import { execFileSync } from 'node:child_process';

/** @param bytes no file of the process may grow beyond */
export function limitFiles(pid: number, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`], { stdio: 'pipe' });
}

/** Why that cannot be done here; undefined if it can. */
export const fileLimitMissing = (() => {
  try {
    limitFiles(process.pid, 'unlimited');
    return undefined;
  } catch (error) {
    return `no prlimit here: ${(error as Error).message}`;
  }
})();
