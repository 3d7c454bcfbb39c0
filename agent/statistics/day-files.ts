/**
 * One file for each UTC day: `<storage>/statistics/2026-11-30.jsonl`. Its first line contains the length of its buckets. Lines are
 * appended while parts are counted; a file that has grown, and that of a past day, is rewritten with one line for each
 * bucket. Days older than two weeks keep hours, and the oldest are deleted.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { writeDurably } from '../../models/disk/durable.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { readLines } from '../../models/disk/lines.ts';
import { appendText } from './append.ts';
import { addLine, bucketMsIn, Day, dayMs, headerLine, hourMs, linesOf, minuteMs } from './day.ts';

/** Number of days that keep minutes; older ones keep hours. */
const minuteDays = 14;
/** A file that has grown by this much since it was last rewritten is rewritten, bytes. */
const rewriteBytes = 1e6;
/** Days that stay in memory after they were read. */
const daysInMemory = 12;
/** Lines parsed before other work gets a turn. */
const linesAtOnce = 200;
const maxLine = 1e6;

const nameOf = (at: number) => new Date(at).toISOString().slice(0, 10);
const startOf = (name: string) => Date.parse(`${name}T00:00:00Z`);

interface LoadedDay {
  readonly day: Day;
  readonly bucketMs: number;
  /** Size of its file up to the last whole line, bytes; 0: no file. */
  bytes: number;
  /** Size when it was last rewritten, bytes. */
  rewrittenBytes: number;
}

/** Callers run one method at a time. */
export interface DayFiles {
  /** Start of each day that has a file, oldest first, ms since the epoch. */
  readonly days: readonly number[];
  /** The counts of the day that contains this time. */
  read(at: number): Promise<{ readonly day: Day; readonly bucketMs: number }>;
  /** Appends what was counted on the day that contains this time. @throws file system errors; then nothing was added */
  append(at: number, counted: Day): Promise<void>;
  /** Rewrites past days and deletes the oldest. @throws file system errors */
  tidy(now: number): Promise<void>;
}

/** @param onDamage called with the name of a file that contains unreadable lines, which are skipped */
export async function openDayFiles(
  folder: string,
  keptDays: number,
  onDamage: (file: string, lines: number) => void,
): Promise<DayFiles> {
  const loaded = new Map<string, LoadedDay>();
  let names: string[] = [];
  let isListed = false;
  const list = async () => {
    names = await namesIn(folder);
    isListed = true;
  };
  // Tried again with each write.
  await list().catch(() => undefined);

  async function load(name: string): Promise<LoadedDay> {
    const known = loaded.get(name);
    if (known) {
      // The most recently used one is the last.
      loaded.delete(name);
      loaded.set(name, known);
      return known;
    }
    const found = await readDay(join(folder, `${name}.jsonl`), onDamage);
    loaded.set(name, found);
    for (const oldest of loaded.keys()) {
      if (loaded.size <= daysInMemory) break;
      loaded.delete(oldest);
    }
    return found;
  }

  async function rewrite(name: string, bucketMs: number): Promise<void> {
    const { day } = await load(name);
    const shorter = day.inBuckets(bucketMs);
    const text = headerLine(bucketMs) + linesOf(shorter, startOf(name));
    await writeDurably(join(folder, `${name}.jsonl`), text);
    const bytes = Buffer.byteLength(text);
    loaded.set(name, { day: shorter, bucketMs, bytes, rewrittenBytes: bytes });
  }

  return {
    get days() {
      return names.map(startOf);
    },
    read: (at) => load(nameOf(at)),
    async append(at, counted) {
      if (!isListed) await list();
      const name = nameOf(at);
      const to = await load(name);
      const added = counted.inBuckets(to.bucketMs);
      const text = (to.bytes === 0 ? headerLine(to.bucketMs) : '') + linesOf(added, startOf(name));
      await makeFolders(folder);
      await appendText(join(folder, `${name}.jsonl`), text, to.bytes);
      to.bytes += Buffer.byteLength(text);
      to.day.merge(added);
      if (!names.includes(name)) names = [...names, name].sort();
      if (to.bytes - to.rewrittenBytes > Math.max(rewriteBytes, to.rewrittenBytes)) {
        await rewrite(name, to.bucketMs).catch(() => {
          // Tried again when it has grown further: the appended lines are still there.
          to.rewrittenBytes = to.bytes;
        });
      }
    },
    async tidy(now) {
      const today = nameOf(now);
      for (const name of names.filter((one) => one < today)) {
        const file = join(folder, `${name}.jsonl`);
        const days = (startOf(today) - startOf(name)) / dayMs;
        if (days > keptDays) {
          await rm(file, { force: true });
          loaded.delete(name);
          names = names.filter((one) => one !== name);
          continue;
        }
        const { bucketMs, bytes, rewrittenBytes } = await load(name);
        const wanted = days > minuteDays ? hourMs : minuteMs;
        if (bucketMs < wanted || bytes !== rewrittenBytes) await rewrite(name, Math.max(bucketMs, wanted));
      }
    },
  };
}

async function namesIn(folder: string): Promise<string[]> {
  const found = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return found.flatMap((name) => /^(\d{4}-\d{2}-\d{2})\.jsonl$/.exec(name)?.[1] ?? []).sort();
}

/** A missing file counts as an empty day. The end of a line that was being written at a kill is removed with the next append. */
async function readDay(file: string, onDamage: (file: string, lines: number) => void): Promise<LoadedDay> {
  const { lines, length } = await readLines(file, maxLine);
  const day = new Day();
  const bucketMs = lines.length > 0 ? bucketMsIn(lines[0]) : undefined;
  let damaged = lines.length > 0 && bucketMs === undefined ? 1 : 0;
  for (const [i, line] of lines.entries()) {
    if (i === 0) continue;
    if (i % linesAtOnce === 0) await turn();
    if (!addLine(day, line)) damaged++;
  }
  if (damaged > 0) onDamage(file, damaged);
  // One line for each bucket: it was rewritten and nothing was appended since.
  const isShort = damaged === 0 && lines.length === Math.max(1, day.buckets.size) + 1;
  return { day, bucketMs: bucketMs ?? minuteMs, bytes: length, rewrittenBytes: isShort ? length : 0 };
}
