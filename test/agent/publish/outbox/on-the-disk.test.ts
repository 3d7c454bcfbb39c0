/**
 * Stored means on the disk, not in a cache of the operating system: the test checks the system calls, because it cannot cut
 * the power.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
const script = fileURLToPath(new URL('./stores.js', import.meta.url));

describe.skipIf(!canTrace)('a message reported as stored (seen by strace)', () => {
  it('was written to the journal by a write that waits for the disk; the store takes over by a transaction that does', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'qc-trace-'));
    try {
      const trace = join(folder, 'trace');
      const calls = 'trace=openat,pwrite64,pwritev,writev,write,fdatasync,fsync';
      const run = spawnSync('strace', [
        '-f',
        '-y',
        '-s',
        '4096',
        '-e',
        calls,
        '-o',
        trace,
        process.execPath,
        script,
        folder,
      ]);
      expect(run.stdout.toString()).toContain('stored 3');
      const lines = (await readFile(trace, 'utf8')).split('\n');
      const at = (wanted: RegExp, after: number) =>
        lines.findIndex((line, index) => index > after && wanted.test(line));
      const descriptor = (file: string) => {
        const opened = lines.find((line) => new RegExp(`openat\\(.*/${file}".*O_DSYNC`).test(line));
        const number = opened?.match(/= (\d+)/)?.[1];
        expect(number).toBeDefined();
        return number;
      };
      /** The line where the call that begins there ended; calls of other threads may be in between. */
      const ended = (begun: number) => {
        const [thread] = lines[begun]!.split(' ');
        return lines[begun]!.includes('<unfinished')
          ? at(new RegExp(`^${thread} .* resumed>`), begun)
          : begun;
      };
      const journal = descriptor('journal');
      for (const n of [1, 2, 3]) {
        const put = at(new RegExp(`write\\(1.*"put ${n}`), -1);
        const written = at(new RegExp(`pwrite64\\(${journal}<.*part-${n}-of-the-trace`), put);
        expect([put, written]).not.toContain(-1);
        const synced = ended(written);
        expect(lines[synced]).toMatch(/= 4096$/);
        const stored = at(new RegExp(`write\\(1.*"stored ${n}`), -1);
        expect([put, written, stored]).toEqual([put, written, stored].toSorted((a, b) => a - b));
        expect(synced).toBeLessThan(stored);
      }
      // lmdb writes the page that makes a transaction count through a descriptor of its own.
      const counts = descriptor('data\\.mdb');
      const taken = at(/write\w*\(\d+<.*data\.mdb>.*part-3-of-the-trace/, -1);
      const synced = at(/f(data)?sync\(\d+<.*data\.mdb>.*= 0/, taken);
      const counted = at(new RegExp(`write\\w*\\(${counts}<`), synced);
      expect([taken, synced, counted]).not.toContain(-1);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
