/** Metrics of the disk with the storage directory. */
import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { Gauge, type Registry } from 'prom-client';

/** @returns a function that sets the directory, which is read at every scrape */
export function declareStorage(registry: Registry): (directory: string) => void {
  let watched: string | undefined;
  const gauge = (name: string, help: string, read: (room: StatsFs) => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        // If the directory is missing or unreadable, no value is exposed.
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
