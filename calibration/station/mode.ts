/** Stores the mode of the station, so that a restart of the agent does not end a calibration. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { check } from '../../config/check.ts';
import { writeDurably } from '../../models/disk/durable.ts';
import type { Log } from './log.ts';

const recordSchema = z.strictObject({ schema: z.literal(1), calibrating: z.boolean() });
const fileOf = (storageDirectory: string) => join(storageDirectory, 'calibration', 'mode.json');

/** Whether the station was in calibration mode when the agent ended; false if that cannot be read. */
export async function readCalibrating(storageDirectory: string, log: Pick<Log, 'warn'>): Promise<boolean> {
  const file = fileOf(storageDirectory);
  try {
    const record = check(recordSchema, JSON.parse(await readFile(file, 'utf8')));
    if (record.success) return record.data.calibrating;
    log.warn(`${file} is damaged: the station starts in inspection mode`);
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (!isAbsent)
      log.warn(`${file} cannot be read, the station starts in inspection mode: ${(error as Error).message}`);
  }
  return false;
}

/** Durable once it resolves. */
export async function saveCalibrating(storageDirectory: string, calibrating: boolean): Promise<void> {
  const file = fileOf(storageDirectory);
  await mkdir(join(storageDirectory, 'calibration'), { recursive: true });
  await writeDurably(file, `${JSON.stringify({ schema: 1, calibrating })}\n`);
}
