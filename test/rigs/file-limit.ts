/** Simulates a full disk for one process: its files cannot grow (EFBIG instead of ENOSPC). */
import { execFileSync } from 'node:child_process';

/** @param bytes maximum size of the files of the process */
export function limitFiles(pid: number, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`], { stdio: 'pipe' });
}

/** The reason why this is impossible here; undefined if it is possible. */
export const fileLimitMissing = (() => {
  try {
    limitFiles(process.pid, 'unlimited');
    return undefined;
  } catch (error) {
    return `no prlimit here: ${(error as Error).message}`;
  }
})();
