/** Stored means on the disk, not in a cache of the operating system: a power cut cannot be had here, its system calls can. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
const script = fileURLToPath(new URL('./stores.js', import.meta.url));

describe.skipIf(!canTrace)('what the outbox says is stored (seen by strace)', () => {
  it('was written, synced, and then made to count by a write that is synced by itself', async () => {
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
      // lmdb writes the page that makes a transaction count through a descriptor of its own.
      const opened = lines.find((line) => /openat\(.*data\.mdb.*O_DSYNC/.test(line));
      const countsOn = opened?.match(/= (\d+)/)?.[1];
      expect(countsOn).toBeDefined();
      for (const n of [1, 2, 3]) {
        const at = (wanted: RegExp, after: number) =>
          lines.findIndex((line, index) => index > after && wanted.test(line));
        const put = at(new RegExp(`write\\(1.*"put ${n}`), -1);
        const written = at(new RegExp(`write\\w*\\(.*part-${n}-of-the-trace`), put);
        const synced = at(/f(data)?sync\(\d+<.*data\.mdb>.*= 0/, written);
        const counts = at(new RegExp(`write\\w*\\(${countsOn}<`), synced);
        const stored = at(new RegExp(`write\\(1.*"stored ${n}`), -1);
        expect([put, written, synced, counts]).not.toContain(-1);
        expect([put, written, synced, counts, stored]).toEqual(
          [put, written, synced, counts, stored].toSorted((a, b) => a - b),
        );
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
