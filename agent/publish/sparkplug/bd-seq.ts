/** The birth/death sequence number: another one at every CONNECT, also after a crash (Sparkplug 3.0 §4.4.1). */
import { mkdir, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { writeDurably } from '../../../models/durable.ts';
import type { Log } from '../../lifecycle/log.ts';

const fileSchema = z.strictObject({
  schema: z.literal(1),
  /** Of the last CONNECT that may have been sent. */
  bdSeq: z.number().int().min(0).max(255),
});

export interface BdSeq {
  /**
   * The number for the CONNECT about to be sent; on disk before it is handed out, so that a death left behind by
   * a crash can never be taken for one of a later birth. The same again while none was sent with it.
   */
  forConnect(): Promise<number>;
  /** A CONNECT with it was sent. */
  sent(): void;
}

/** Begins with 0 where the file is missing. A damaged file is set aside. */
export async function openBdSeq(file: string, log: Log): Promise<BdSeq> {
  await mkdir(dirname(file), { recursive: true });
  let current = (await read(file, log)) ?? 255;
  let isUsed = true;
  return {
    async forConnect() {
      if (!isUsed) return current;
      const next = (current + 1) % 256;
      await writeDurably(file, `${JSON.stringify({ schema: 1, bdSeq: next })}\n`);
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
    throw error;
  }
  try {
    return fileSchema.parse(JSON.parse(text)).bdSeq;
  } catch {
    await rename(file, `${file}.damaged`);
    log.warn({ file }, 'the Sparkplug sequence number was damaged: set aside, and begun again with 0');
    return undefined;
  }
}
