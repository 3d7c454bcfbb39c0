/**
 * Counts parts on disk. A part is in memory at once and on disk a moment later, together with its number: after a kill, the
 * number of the next part tells how many were stored but not counted, which is recorded as a gap. Nothing is counted twice.
 */
import { join } from 'node:path';
import { FaultLog, type Log } from '../lifecycle/log.ts';
import { keptValues } from '../metrics/kept-values.ts';
import type { Result } from '../publish/messages.ts';
import { type Counted, Day, dayMs, type Gap, minuteMs, type PartKind } from './day.ts';
import { type DayFiles, openDayFiles } from './day-files.ts';

/** Minimum time between two writes, ms. */
const pauseMs = 100;
/** The same after a failed write, ms. */
const failedPauseMs = 5_000;
/** Maximum number of days whose counts wait for the disk; the oldest are discarded. */
const maxWaitingDays = 3;

/** What the counter reads of a result. */
export type CountedPart = Pick<
  Result,
  'camera' | 'recipe' | 'verdict' | 'label' | 'sequence' | 'publishedAt' | 'challenge'
> & { readonly model: Pick<Result['model'], 'version'> };

/** Parts of one kind in one bucket. */
export interface BucketCount extends Readonly<Counted> {
  /** Start of the bucket, ms since the epoch. */
  readonly at: number;
  /** Length of the bucket, ms. */
  readonly ms: number;
}

export interface Counts {
  readonly counts: readonly BucketCount[];
  readonly gaps: readonly Gap[];
}

export interface PartCounter extends AsyncDisposable {
  /** A part of a challenge test is not counted: only its number is recorded, so that it is not missing. */
  add(part: CountedPart): void;
  /** Counts in buckets that begin at or after `from` and before `to`, oldest first. */
  read(from: number, to: number): Promise<Counts>;
  /** When counting began, ms since the epoch; undefined before the first part. */
  since(): Promise<number | undefined>;
}

export interface PartCounterDeps {
  readonly log: Log;
  readonly now: () => number;
  /** Reports why counts are not written; an empty text when they are written again. */
  readonly onFault: (text: string) => void;
}

/** Reads the newest numbers of the last process. */
export async function openPartCounter(
  directory: string,
  keptDays: number,
  { log, now, onFault }: PartCounterDeps,
): Promise<PartCounter> {
  const faults = new FaultLog(log);
  const files = await openDayFiles(join(directory, 'statistics'), keptDays, (file, lines) =>
    log.warn(`${file}: ${lines} lines are damaged; their parts are not counted`),
  );
  const last = await newestIn(files, now()).catch((): Newest => new Map());
  const recipeOf = keptValues();
  const labelOf = keptValues(256);
  const versionOf = keptValues(1_000);
  /** Counted and not written yet, by start of the day. */
  let waiting = new Map<number, Day>();
  let timer: NodeJS.Timeout | undefined;
  let tidiedOn = 0;
  let isClosed = false;
  let running: Promise<unknown> = Promise.resolve();

  /** One at a time: a reader sees each part either on disk or among the waiting ones. */
  function alone<T>(work: () => Promise<T>): Promise<T> {
    const done = running.then(work);
    running = done.catch(() => undefined);
    return done;
  }

  async function write(): Promise<void> {
    const writing = waiting;
    waiting = new Map();
    for (const [start, day] of writing) {
      try {
        await files.append(start, day);
        writing.delete(start);
      } catch (error) {
        for (const [left, counted] of writing) {
          const since = waiting.get(left);
          if (since) counted.merge(since);
          waiting.set(left, counted);
        }
        throw error;
      }
    }
    const today = now() - (now() % dayMs);
    if (tidiedOn === today) return;
    tidiedOn = today;
    await files.tidy(today);
  }

  function writeSoon(afterMs: number): void {
    if (timer || isClosed) return;
    timer = setTimeout(() => void flush(), afterMs).unref();
  }

  async function flush(): Promise<void> {
    let next = pauseMs;
    try {
      await alone(write);
      onFault('');
    } catch (error) {
      const text = `the statistics cannot be written: ${(error as Error).message}`;
      faults.warn(text);
      onFault(text);
      next = failedPauseMs;
      for (const oldest of [...waiting.keys()].sort((a, b) => a - b).slice(0, -maxWaitingDays))
        waiting.delete(oldest);
    }
    timer = undefined;
    if (waiting.size > 0) writeSoon(next);
  }

  return {
    add({ camera, recipe, verdict, label, sequence, publishedAt, challenge, model }) {
      const at = Date.parse(publishedAt);
      const start = at - (at % dayMs);
      const day = waiting.get(start) ?? dayAfter(last);
      waiting.set(start, day);
      const kind: PartKind = {
        camera,
        recipe: recipeOf(recipe),
        version: versionOf(model.version),
        verdict,
        label: label === null ? null : labelOf(label),
      };
      if (!challenge) day.add(at - (at % minuteMs), kind, 1);
      const before = last.get(camera);
      if (before && sequence > before.sequence + 1) {
        const atMost = sequence - before.sequence - 1;
        day.gaps.push({ camera, from: Math.min(before.at, at), to: at, atMost });
        log.warn({ camera, atMost }, 'parts from before the start are missing in the statistics');
      }
      last.set(camera, { sequence, at });
      day.sequences.set(camera, sequence);
      writeSoon(0);
    },
    read: (from, to) => alone(() => readFrom(files, () => waiting, from, to)),
    since: () =>
      alone(async () => {
        // A day without counts has only parts of challenge tests.
        for (const start of [...files.days, ...[...waiting.keys()].sort((a, b) => a - b)]) {
          const { counts } = await readFrom(files, () => waiting, start, start + dayMs);
          if (counts[0]) return counts[0].at;
        }
        return undefined;
      }),
    async [Symbol.asyncDispose]() {
      isClosed = true;
      clearTimeout(timer);
      await alone(write).catch((error: Error) =>
        log.error({ err: error }, 'the agent stopped before the newest parts were counted on disk'),
      );
    },
  };
}

/** The days on disk, then what waits for it: in this order, without other work in between. */
async function readFrom(
  files: DayFiles,
  waiting: () => ReadonlyMap<number, Day>,
  from: number,
  to: number,
): Promise<Counts> {
  const counts = new Map<string, { at: number; ms: number; kind: PartKind; count: number }>();
  const gaps: Gap[] = [];
  const take = (day: Day, ms: number) => {
    gaps.push(...day.gaps.filter((gap) => gap.to >= from && gap.from < to));
    for (const [at, bucket] of day.buckets) {
      if (at < from || at >= to) continue;
      for (const [key, { kind, count }] of bucket) {
        const known = counts.get(`${at} ${key}`);
        if (known) known.count += count;
        else counts.set(`${at} ${key}`, { at, ms, kind, count });
      }
    }
  };
  for (const start of files.days) {
    if (start + dayMs <= from || start >= to) continue;
    const { day, bucketMs } = await files.read(start);
    take(day, bucketMs);
  }
  for (const day of waiting().values()) take(day, minuteMs);
  return { counts: [...counts.values()].sort((a, b) => a.at - b.at), gaps };
}

type Newest = Map<string, { readonly sequence: number; readonly at: number }>;

/**
 * The newest part of each camera: every day contains the numbers of all cameras. Days after tomorrow were written while the clock
 * was wrong: their numbers are old. So may be those of tomorrow, so the highest number counts.
 */
async function newestIn(files: DayFiles, now: number): Promise<Newest> {
  const newest: Newest = new Map();
  for (const start of files.days.filter((one) => one <= now + dayMs).toReversed()) {
    const { sequences, buckets } = (await files.read(start)).day;
    const at = Math.max(start, ...buckets.keys());
    for (const [camera, sequence] of sequences) {
      const known = newest.get(camera);
      if (!known || known.sequence < sequence) newest.set(camera, { sequence, at });
    }
    if (sequences.size > 0 && start <= now) break;
  }
  return newest;
}

function dayAfter(newest: Newest): Day {
  const day = new Day();
  for (const [camera, { sequence }] of newest) day.sequences.set(camera, sequence);
  return day;
}
