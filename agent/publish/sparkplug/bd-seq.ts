/** The birth/death sequence number: a new one for each CONNECT, also after a crash (Sparkplug 3.0 §4.4.1). */
import { readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { writeDurably } from '../../../models/disk/durable.ts';
import { makeFolders } from '../../../models/disk/folders.ts';
import { FaultLog, type Log } from '../../lifecycle/log.ts';

const fileSchema = z.strictObject({
  schema: z.literal(1),
  /** Number of the last CONNECT that may have been sent. */
  bdSeq: z.number().int().min(0).max(255),
});

export interface BdSeq {
  /**
   * The number for the next CONNECT. It is on disk before it is returned (if the disk works), so that a death message from
   * before a crash never matches a later birth. It stays the same until it was sent.
   */
  forConnect(): Promise<number>;
  /** A CONNECT with it was sent. */
  sent(): void;
}

/** Starts with 0 if the file is missing. A damaged file is set aside. */
export async function openBdSeq(file: string, log: Log): Promise<BdSeq> {
  let current = (await read(file, log)) ?? 255;
  let isUsed = true;
  const faults = new FaultLog(log);
  return {
    async forConnect() {
      if (!isUsed) return current;
      const next = (current + 1) % 256;
      try {
        await makeFolders(dirname(file));
        await writeDurably(file, `${JSON.stringify({ schema: 1, bdSeq: next })}\n`);
        faults.clear();
      } catch (error) {
        // After a kill, two of the last 256 connections may have the same number; without a number there would be no
        // connection.
        faults.warn(`the Sparkplug sequence number is not on the disk: ${(error as Error).message}`);
      }
      current = next;
      isUsed = false;
      return current;
    },
    sent() {
      isUsed = true;
    },
  };
}

async function read(file: string, log: Log): Promise<number | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    log.warn(
      { file, err: error },
      'the Sparkplug sequence number cannot be read: it starts with a random number',
    );
    return Math.floor(Math.random() * 256);
  }
  try {
    return fileSchema.parse(JSON.parse(text)).bdSeq;
  } catch {
    await rename(file, `${file}.damaged`).catch(() => undefined);
    log.warn({ file }, 'the Sparkplug sequence number was damaged: set aside, and started again with 0');
    return undefined;
  }
}
