/** A real file system of a few megabytes that can be filled: tmpfs, which only root may mount. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { mkdtemp, open, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface SmallDisk extends AsyncDisposable {
  readonly directory: string;
  /** Fills it from another process, except this number of bytes. */
  fill(leave: number): Promise<void>;
  /** Remounts it read-only or writable. */
  readOnly(on: boolean): Promise<void>;
  /** Deletes the data of `fill`. */
  clear(): Promise<void>;
}

/** The reason why none can be mounted here; undefined if one can. */
export const smallDiskMissing = whyMissing();

function whyMissing(): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has tmpfs';
  const place = mkdtempSync(join(tmpdir(), 'qc-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place], { stdio: 'ignore' });
    execFileSync('umount', [place], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'a small file system cannot be mounted here: it requires root and the permission to mount';
  } finally {
    rmdirSync(place);
  }
}

export async function openSmallDisk(megabytes: number): Promise<SmallDisk> {
  const directory = await mkdtemp(join(tmpdir(), 'qc-small-disk-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory]);
  const filler = join(directory, 'somebody-elses-file');
  return {
    directory,
    async fill(leave) {
      const handle = await open(filler, 'w');
      const block = Buffer.alloc(64 * 1024, 7);
      try {
        for (;;) await handle.write(block);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        await handle.truncate(Math.max(0, (await handle.stat()).size - leave));
      } finally {
        await handle.close();
      }
    },
    readOnly: async (on) => void (await run('mount', ['-o', `remount,${on ? 'ro' : 'rw'}`, directory])),
    clear: () => rm(filler, { force: true }),
    async [Symbol.asyncDispose]() {
      // Lazily, so that an open file does not prevent the end of the test.
      await run('umount', ['--lazy', directory]);
      await rmdir(directory);
    },
  };
}
