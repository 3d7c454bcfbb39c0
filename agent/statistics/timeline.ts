/**
 * What changed, and when parts could not be judged: `<storage>/statistics/timeline.jsonl`, one line for each event, appended. The
 * time of its last modification is the last time at which the agent ran. Its oldest half is deleted when it is full.
 */
import { stat, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { check } from '../../config/check.ts';
import { writeDurably } from '../../models/disk/durable.ts';
import { makeFolders } from '../../models/disk/folders.ts';
import { readLines } from '../../models/disk/lines.ts';
import { appendText } from './append.ts';
import { changeKinds, downtimeKinds } from './views.ts';

const at = z.number().int().describe('ms since the epoch');
const short = z.string().max(1_000);
const eventSchema = z.discriminatedUnion('is', [
  z.strictObject({ is: z.literal('change'), at, kind: changeKinds, before: short, after: short }),
  z.strictObject({
    is: z.literal('down'),
    at,
    kind: downtimeKinds,
    cause: short,
    reason: short,
    stops: z.boolean(),
  }),
  z.strictObject({ is: z.literal('up'), at, cause: short }),
  z.strictObject({ is: z.literal('stop'), at }),
  z.strictObject({ is: z.literal('facts'), at, facts: z.record(short, short) }),
]);
export type TimelineEvent = z.output<typeof eventSchema>;
export type Change = Extract<TimelineEvent, { is: 'change' }>;

export interface Downtime extends Omit<Extract<TimelineEvent, { is: 'down' }>, 'is' | 'at'> {
  readonly from: number;
  /** Undefined: it has not ended. */
  to?: number;
}

/** Maximum number of lines. */
const maxLines = 20_000;
/** A cause that returns within this time continues its interval: a flapping camera must not fill the file, ms. */
const sameMs = 10_000;
const maxLine = 65_536;
/** Maximum number of events that wait for the disk; the oldest are discarded. */
const maxWaiting = 1_000;

export interface Timeline {
  readonly changes: readonly Change[];
  /** In order of their begin. */
  readonly downtimes: readonly Downtime[];
  /** Facts of the last process, by name: they are compared at the start. */
  readonly facts: Readonly<Record<string, string>>;
  /** When the last process was last known to run, and whether it was stopped; undefined at the very first start. */
  readonly lastRun: { readonly at: number; readonly isStopped: boolean } | undefined;
  /** Shows an event at once and writes it. @throws file system errors; the events are written with the next ones */
  add(...events: readonly TimelineEvent[]): Promise<void>;
  /** Records that the agent runs. @throws file system errors */
  alive(at: number): Promise<void>;
}

/**
 * A file that cannot be read now is read when that is possible: until then only the events of this process are known.
 * @param onDamage called with the number of unreadable lines, which are skipped
 */
export async function openTimeline(file: string, onDamage: (lines: number) => void): Promise<Timeline> {
  let state: State = { changes: [], downtimes: [], facts: {} };
  let lastRun: Timeline['lastRun'];
  let isRead = false;
  let count = 0;
  let bytes = 0;
  /** Not written yet. */
  let waiting: TimelineEvent[] = [];
  let writing: Promise<void> | undefined;

  async function read(): Promise<void> {
    const { lines, length } = await readLines(file, maxLine);
    const modified = await stat(file).then(
      ({ mtimeMs }) => Math.floor(mtimeMs),
      () => 0,
    );
    const found = lines.flatMap((line) => eventIn(line) ?? []);
    if (found.length < lines.length) onDamage(lines.length - found.length);
    const last = found.at(-1);
    const isStopped = last?.is === 'stop';
    lastRun = last && { at: isStopped ? last.at : Math.max(last.at, modified), isStopped };
    [count, bytes] = [lines.length, length];
    state = { changes: [], downtimes: [], facts: {} };
    for (const event of [...found, ...waiting]) apply(state, event);
    isRead = true;
  }

  async function writeAll(): Promise<void> {
    if (!isRead) await read();
    while (waiting.length > 0) {
      await makeFolders(dirname(file));
      // From here to the text nothing waits: the text of a rewrite contains no event that is appended later.
      const events = waiting;
      waiting = [];
      try {
        await writeSome(events);
      } catch (error) {
        waiting = [...events, ...waiting].slice(-maxWaiting);
        throw error;
      }
    }
  }

  async function writeSome(events: readonly TimelineEvent[]): Promise<void> {
    if (count + events.length > maxLines) {
      const newest = newestOf(state);
      const text = textOf([...eventsOf(newest), ...events.filter(({ is }) => is === 'stop')]);
      await writeDurably(file, text);
      [bytes, count] = [Buffer.byteLength(text), text.split('\n').length - 1];
      // Added during the write.
      for (const event of waiting) apply(newest, event);
      state = newest;
    } else {
      const text = textOf(events);
      await appendText(file, text, bytes);
      bytes += Buffer.byteLength(text);
      count += events.length;
    }
  }

  /** One at a time: a disk that hangs must not occupy more than one thread. */
  function write(): Promise<void> {
    writing ??= writeAll().finally(() => {
      writing = undefined;
    });
    return writing;
  }

  // Tried again with each write.
  await read().catch(() => undefined);
  return {
    get changes() {
      return state.changes;
    },
    get downtimes() {
      return state.downtimes;
    },
    get facts() {
      return state.facts;
    },
    lastRun,
    async add(...events) {
      for (const event of events) apply(state, event);
      waiting = [...waiting, ...events].slice(-maxWaiting);
      await write();
    },
    async alive(now) {
      if (writing) return writing;
      await write();
      await utimes(file, now / 1_000, now / 1_000);
    },
  };
}

interface State {
  readonly changes: Change[];
  readonly downtimes: Downtime[];
  facts: Record<string, string>;
}

function apply(state: State, event: TimelineEvent): void {
  if (event.is === 'change') state.changes.push(event);
  else if (event.is === 'facts') state.facts = event.facts;
  else if (event.is === 'down') {
    const { is: _, at: from, ...rest } = event;
    const before = state.downtimes.findLast(({ cause }) => cause === event.cause);
    const isSame = before && before.to !== undefined && Math.abs(from - before.to) < sameMs;
    if (isSame) delete before.to;
    else state.downtimes.push({ from, ...rest });
  } else if (event.is === 'up') {
    const open = state.downtimes.findLast(({ cause, to }) => cause === event.cause && to === undefined);
    if (open) open.to = Math.max(open.from, event.at);
  }
}

/** A copy without the oldest half. */
function newestOf({ changes, downtimes, facts }: State): State {
  return {
    changes: changes.slice(Math.floor(changes.length / 2)),
    downtimes: downtimes.slice(Math.floor(downtimes.length / 2)).map((one) => ({ ...one })),
    facts,
  };
}

function eventsOf({ changes, downtimes, facts }: State): TimelineEvent[] {
  const intervals = downtimes.flatMap(({ from, to, ...rest }): TimelineEvent[] => [
    { is: 'down', at: from, ...rest },
    ...(to === undefined ? [] : [{ is: 'up' as const, at: to, cause: rest.cause }]),
  ]);
  const newest = Math.max(0, ...[...changes, ...intervals].map((event) => event.at));
  return [...[...changes, ...intervals].sort((a, b) => a.at - b.at), { is: 'facts', at: newest, facts }];
}

const textOf = (events: readonly TimelineEvent[]) => events.map((one) => `${JSON.stringify(one)}\n`).join('');

function eventIn(line: Buffer | undefined): TimelineEvent | undefined {
  try {
    return check(eventSchema, JSON.parse(line?.toString('utf8') ?? '')).data;
  } catch {
    return undefined;
  }
}
