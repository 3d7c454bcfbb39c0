/**
 * Prevents a sequence number from being used twice if the newest one in the outbox is uncertain.
 *
 * `<storage>/numbers.json` contains an upper bound of the used numbers for each camera, written ahead in large steps. It is
 * only used at a start after which the newest number is uncertain: the store was damaged, the storage cannot be written,
 * or the last process kept results only in memory when it ended. That process leaves a mark, also on a file system in
 * memory, because the disk may have failed completely.
 */
import { createHash } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { writeDurably } from '../../../models/disk/durable.ts';
import { outboxClock } from './clock.ts';

const fileSchema = z.object({
  schema: z.literal(1),
  /** By camera: a number above all used ones. */
  ceilings: z.record(z.string(), z.number().int()),
});
type Ceilings = Map<string, number>;

/** Size of a reserved block of numbers; the next block is reserved when half of it is used. */
const block = 10_000;
/** Retry interval after a failed write, ms. */
const retryAfterMs = 1_000;
/** Maximum wait for the mark in memory, ms: where there is no file system in memory, the disk may hang. */
const maxMarkMs = 1_000;
/**
 * Start of the time-based first number if nothing is known: a camera makes less than one part per second on average since
 * then.
 */
const epoch = Date.UTC(2020, 0, 1);

export interface Numbers {
  /**
   * The number after which a camera continues if numbers newer than the known ones may have been used.
   * @param known the newest in store and journal
   */
  startAfter(camera: string, known: number): number;
  /** Whether the last process ended while its newest numbers were not on any disk. */
  readonly wasUncertain: boolean;
  used(camera: string, sequence: number): void;
  /** Numbers used from now on are not on any disk (or are again). Resolves after the attempt to record this. */
  uncertain(on: boolean): Promise<void>;
  /**
   * Whether the number may be sent: a process that starts after a crash of this one would not use it again. False only while numbers
   * are uncertain and the mark does not cover this one yet.
   */
  isNoted(camera: string, sequence: number): boolean;
  /** Resolves once the mark covers every number so far, or could not be written. */
  noted(): Promise<void>;
  /** Waits for pending writes. */
  close(): Promise<void>;
}

/** Reads the existing files; never throws. */
export async function openNumbers(directory: string): Promise<Numbers> {
  const file = join(directory, 'numbers.json');
  const hash = createHash('sha256').update(resolve(directory)).digest('hex').slice(0, 16);
  const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const inMemory = join(memory, `qc-agent-numbers-${hash}.json`);
  const onDisk = join(directory, 'numbers-uncertain.json');
  const readable = await readCeilings(file);
  const ceilings: Ceilings = new Map(readable);
  let wasUncertain = false;
  for (const mark of [inMemory, onDisk]) {
    const found = await readCeilings(mark);
    if (!found) continue;
    wasUncertain = true;
    for (const [camera, ceiling] of found) raise(ceilings, camera, ceiling);
  }
  const written: Ceilings = new Map(readable);
  let isUncertain = false;
  let changed = false;
  let failedAt = Number.NEGATIVE_INFINITY;
  let writing: Promise<void> | undefined;
  /** Sequential changes of the mark in memory. They never wait for the disk, which may hang. */
  let marking: Promise<void> = Promise.resolve();
  /** Upper bounds in the mark in memory. */
  let marked: Ceilings = new Map();

  function markInMemory(): void {
    marking = marking.then(async () => {
      if (!isUncertain) return;
      const now = new Map(ceilings);
      const late = sleep(maxMarkMs, undefined, { ref: false });
      await Promise.race([writeMark(inMemory, textOf(now)), late]).catch(() => undefined);
      marked = now;
    });
  }

  function unmark(): Promise<void> {
    marking = marking.then(async () => {
      if (!isUncertain) await rm(inMemory, { force: true }).catch(() => undefined);
    });
    return marking;
  }

  async function writeAll(): Promise<void> {
    while (changed) {
      changed = false;
      const now = new Map(ceilings);
      if (isUncertain) await writeMark(onDisk, textOf(now)).catch(() => undefined);
      try {
        await writeDurably(file, textOf(now));
        for (const [camera, ceiling] of now) written.set(camera, ceiling);
        if (!isUncertain) await rm(onDisk, { force: true });
        await unmark();
      } catch {
        failedAt = performance.now();
      }
    }
    // In the same turn as the last check of `changed`: a later change starts a new write.
    writing = undefined;
  }
  function write(): void {
    changed = true;
    if (isUncertain) markInMemory();
    writing ??= writeAll();
  }

  return {
    wasUncertain,
    startAfter(camera, known) {
      const ceiling = ceilings.get(camera) ?? Math.floor((outboxClock(undefined).now() - epoch) / 1_000);
      const after = Math.max(known, ceiling);
      // The next process must not start here again.
      raise(ceilings, camera, after + block);
      write();
      return after;
    },
    used(camera, sequence) {
      if (sequence > (ceilings.get(camera) ?? 0) - block / 2) {
        raise(ceilings, camera, (Math.floor(sequence / block) + 2) * block);
        return write();
      }
      const isWritten = (written.get(camera) ?? 0) >= ceilings.get(camera)!;
      if (!isWritten && performance.now() - failedAt > retryAfterMs) write();
    },
    async uncertain(on) {
      if (on === isUncertain) return;
      isUncertain = on;
      marked = new Map();
      write();
      await (on ? marking : writing);
    },
    isNoted: (camera, sequence) => !isUncertain || sequence < (marked.get(camera) ?? 0),
    noted: () => marking,
    async close() {
      await writing;
      await marking;
    },
  };
}

const textOf = (ceilings: Ceilings) =>
  `${JSON.stringify({ schema: 1, ceilings: Object.fromEntries(ceilings) })}\n`;

function raise(ceilings: Ceilings, camera: string, to: number): void {
  ceilings.set(camera, Math.max(to, ceilings.get(camera) ?? 0));
}

/** Undefined if there is no readable file. */
async function readCeilings(file: string): Promise<Ceilings | undefined> {
  try {
    return new Map(Object.entries(fileSchema.parse(JSON.parse(await readFile(file, 'utf8'))).ceilings));
  } catch (error) {
    // A truncated mark still counts as a mark.
    return (error as NodeJS.ErrnoException).code === undefined ? new Map() : undefined;
  }
}

/** Not with a rename: on a full disk, an existing empty file may still be writable. */
async function writeMark(file: string, text: string): Promise<void> {
  // Symbolic links by other users are not followed.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | (constants.O_NOFOLLOW ?? 0);
  const handle = await open(file, flags, 0o600);
  try {
    await handle.writeFile(text);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}
