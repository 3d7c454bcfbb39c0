/** Measured delay of a camera, stored under the storage directory for `doctor`. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { writeDurably } from '../../models/disk/durable.ts';
import { median } from '../../models/median.ts';

const latencySchema = z.strictObject({
  schema: z.literal(1),
  measuredAt: z.iso.datetime(),
  /** Time from a change to the first frame that shows it, for each measurement, ms. */
  measurements: z.array(z.number()).min(1).max(100),
});
export type Latency = z.output<typeof latencySchema>;

const fileOf = (storageDirectory: string, camera: string) =>
  join(storageDirectory, 'latency', `${camera}.json`);

export async function writeLatency(
  storageDirectory: string,
  camera: string,
  measurements: readonly number[],
): Promise<Latency> {
  const file = fileOf(storageDirectory, camera);
  const latency: Latency = {
    schema: 1,
    measuredAt: new Date().toISOString(),
    measurements: measurements.map(Math.round),
  };
  await mkdir(dirname(file), { recursive: true });
  await writeDurably(file, `${JSON.stringify(latency)}\n`);
  return latency;
}

/** @returns undefined if it was never measured. @throws if the file cannot be read */
export async function readLatency(storageDirectory: string, camera: string): Promise<Latency | undefined> {
  try {
    return latencySchema.parse(JSON.parse(await readFile(fileOf(storageDirectory, camera), 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The median, ms. */
export function typicalMs({ measurements }: Pick<Latency, 'measurements'>): number {
  return median(measurements);
}
