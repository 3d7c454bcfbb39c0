/** How much room there is where the agent writes. */
import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { Gauge, type Registry } from 'prom-client';

/** Returns what says which directory that is; it is looked at at every scrape. */
export function declareStorage(registry: Registry): (directory: string) => void {
  let watched: string | undefined;
  const gauge = (name: string, help: string, read: (room: StatsFs) => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        // Not there yet, or not readable just now: nothing is shown rather than something wrong.
        const room = watched === undefined ? undefined : await statfs(watched).catch(() => undefined);
        if (room) this.set(read(room));
        else this.remove();
      },
    });
  gauge(
    'qc_storage_free_bytes',
    'Free space on the disk that contains the storage directory',
    ({ bavail, bsize }) => bavail * bsize,
  );
  gauge(
    'qc_storage_size_bytes',
    'Size of the disk that contains the storage directory',
    ({ blocks, bsize }) => blocks * bsize,
  );
  return (directory) => {
    watched = directory;
  };
}
