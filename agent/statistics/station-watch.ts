/**
 * Looks at the station every second and records when parts cannot be judged, and what changed. Looking at intervals bounds
 * what a flapping camera can write; a cause must be seen twice.
 */
import type { Limit, StationFacts } from '../station.ts';
import { changedSections } from './config-facts.ts';
import type { Timeline, TimelineEvent } from './timeline.ts';

/** Number of looks after which the file says that the agent runs. */
const looksUntilMark = 30;

interface WatchedStation {
  readonly limits: readonly Limit[];
  readonly facts: StationFacts | undefined;
}

export interface StationWatchDeps {
  readonly timeline: Timeline;
  readonly now: () => number;
  /** Fingerprints of the settings. */
  readonly settings: () => Record<string, string>;
  /** Interval of the looks, ms. */
  readonly everyMs: number;
  /** Called with the error of writing; undefined when it succeeds. */
  readonly onWritten: (error: Error | undefined) => void;
}

export function watchStation(
  station: WatchedStation,
  { timeline, now, settings, everyMs, onWritten }: StationWatchDeps,
): Disposable {
  /** Causes that were seen once, and when. */
  let candidates = new Map<string, number>();
  const open = new Set<string>();
  let looks = 0;
  let isMarking = false;

  function look(): void {
    const at = now();
    const events: TimelineEvent[] = [];
    const limits = new Map(station.limits.map((limit) => [limit.cause, limit]));
    for (const cause of open) {
      if (limits.has(cause)) continue;
      open.delete(cause);
      events.push({ is: 'up', at, cause });
    }
    for (const { cause, kind, reason, stops } of limits.values()) {
      const since = candidates.get(cause);
      if (open.has(cause) || since === undefined) continue;
      open.add(cause);
      events.push({ is: 'down', at: since, kind, cause, reason: reason.slice(0, 500), stops });
    }
    candidates = new Map([...limits.keys()].map((cause) => [cause, candidates.get(cause) ?? at]));
    events.push(...changesIn(timeline.facts, { ...settings(), ...station.facts }, at));
    const isDue = looks++ % looksUntilMark === 0;
    if (events.length > 0) void timeline.add(...events).then(() => onWritten(undefined), onWritten);
    else if (isDue && !isMarking) void mark(at);
  }

  /** One at a time: the disk may hang. */
  async function mark(at: number): Promise<void> {
    isMarking = true;
    await timeline.alive(at).then(() => onWritten(undefined), onWritten);
    isMarking = false;
  }

  const timer = setInterval(look, everyMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function changesIn(
  before: Timeline['facts'],
  after: Readonly<Record<string, string>>,
  at: number,
): TimelineEvent[] {
  const changes = (['model', 'recipe', 'mode'] as const).flatMap((kind): TimelineEvent[] => {
    const [was, is] = [before[kind], after[kind]];
    return is === undefined || is === was ? [] : [{ is: 'change', at, kind, before: was ?? '', after: is }];
  });
  const sections = changedSections(before, after).join(', ').slice(0, 500);
  if (changes.length === 0 && sections === '') return [];
  return [
    // What is known for the first time has not changed.
    ...changes.filter((change) => change.is === 'change' && change.before !== ''),
    ...(sections === ''
      ? []
      : [{ is: 'change' as const, at, kind: 'config' as const, before: '', after: sections }]),
    { is: 'facts', at, facts: { ...before, ...after } },
  ];
}
