/** What was inspected, what changed and when nothing could be inspected: kept on disk for months. */
import { join } from 'node:path';
import { QcError } from '../../config/errors.ts';
import type { Config } from '../../config/schema.ts';
import type { Log } from '../lifecycle/log.ts';
import type { Limit, StationFacts } from '../station.ts';
import { type ComparedConfig, changedSections, createConfigFacts } from './config-facts.ts';
import { dayMs, hourMs } from './day.ts';
import { type CountedPart, openPartCounter } from './part-counter.ts';
import { type Group, groupByLot, groupByPeriod, referenceMs, reportOf } from './report.ts';
import { createCalendar } from './shifts.ts';
import { watchStation } from './station-watch.ts';
import { type Downtime, openTimeline, type Timeline } from './timeline.ts';
import type { ChangeView, DowntimeView, Grouping, StatisticsView } from './views.ts';

/** Times in ms since the epoch. */
interface Range {
  readonly from: number;
  readonly to: number;
}

export interface ReportRequest {
  /** Default: so that a number of groups is shown. */
  readonly from?: number | undefined;
  /** Default: now. */
  readonly to?: number | undefined;
  readonly by: Grouping;
  readonly camera?: string | undefined;
  readonly recipe?: string | undefined;
}

export interface Statistics extends AsyncDisposable {
  /** Counts a part whose result is stored. One of a challenge test is not counted and not missing. */
  add(part: CountedPart): void;
  /** @throws QcError http-invalid if the time is too long, or has too many groups */
  report(request: ReportRequest): Promise<StatisticsView>;
  /** Oldest first. */
  changes(range: Range): ChangeView[];
  downtime(range: Range): DowntimeView;
  /** Watches the station until the statistics are closed. */
  watch(station: { readonly limits: readonly Limit[]; readonly facts: StationFacts | undefined }): void;
}

export interface StatisticsDeps {
  readonly log: Log;
  /** Version of the agent. */
  readonly version: string;
  /** Reports why they cannot be written; an empty text when they can. */
  readonly onFault: (text: string) => void;
  /** ms since the epoch */
  readonly now?: () => number;
  /** Interval at which the station is looked at, ms. */
  readonly lookMs?: number;
}

type StatisticsConfig = ComparedConfig & Pick<Config, 'storage'>;

/** Time that is shown unless another is asked for, ms. */
const defaultMs: Readonly<Record<Grouping, number>> = {
  hour: 23 * hourMs,
  shift: 7 * dayMs,
  day: 30 * dayMs,
  lot: 7 * dayMs,
};
/** Maximum number of groups: longer times would occupy the process that inspects. */
const maxGroups = 1_200;
/** Longest time by lot, ms. */
const maxLotMs = 92 * dayMs;

/**
 * Nothing that is wrong with the files keeps the agent from inspecting: it is reported.
 * @param config its sections are read at each access, because some settings change while the line runs
 */
export async function openStatistics(config: StatisticsConfig, deps: StatisticsDeps): Promise<Statistics> {
  const { version, now = () => Date.now(), lookMs = 1_000 } = deps;
  const { directory, statisticsDays } = config.storage;
  const log = deps.log.child({ component: 'statistics' });
  const settings = createConfigFacts(config);
  let faults = { counts: '', timeline: '' };
  const report = (fault: Partial<typeof faults>) => {
    faults = { ...faults, ...fault };
    deps.onFault(faults.counts || faults.timeline);
  };
  const counter = await openPartCounter(directory, statisticsDays, {
    log,
    now,
    onFault: (counts) => report({ counts }),
  });
  const timeline = await openTimeline(join(directory, 'statistics', 'timeline.jsonl'), (lines) =>
    log.warn(`${lines} lines of timeline.jsonl are damaged: these changes and downtimes are unknown`),
  );
  const onWritten = (error: Error | undefined) =>
    report({ timeline: error ? `changes and downtimes cannot be written: ${error.message}` : '' });
  const facts = { agent: version, ...settings() };
  await timeline.add(...startEvents(timeline, facts, now())).then(() => onWritten(undefined), onWritten);
  let watched: Disposable | undefined;

  const recipeChanges = () =>
    timeline.changes
      .filter(({ kind }) => kind === 'recipe')
      .map(({ at, after }) => ({ at, recipe: after }))
      .sort((a, b) => a.at - b.at);

  /** Starts of the lots in this time, without the first one. */
  const lotStarts = (from: number, to: number) =>
    recipeChanges().flatMap(({ at }) => (at > from && at < to ? [at] : []));

  /** A default time is shortened until it has few enough lots. */
  function defaultFrom(by: Grouping, to: number): number {
    const from = to - defaultMs[by];
    return by === 'lot' ? (lotStarts(from, to).at(-maxGroups) ?? from) : from;
  }

  function rangeOf({ by, to = now(), from = defaultFrom(by, to) }: ReportRequest): Range {
    const shiftDays = Math.floor(maxGroups / config.shifts.starts.length);
    const longest = {
      hour: { ms: maxGroups * hourMs, text: `${maxGroups} hours` },
      shift: { ms: shiftDays * dayMs, text: `${shiftDays} days` },
      day: { ms: maxGroups * dayMs, text: `${maxGroups} days` },
      lot: { ms: maxLotMs, text: `${maxLotMs / dayMs} days and ${maxGroups - 1} changes of the recipe` },
    }[by];
    const hasTooManyLots = () => by === 'lot' && lotStarts(from, to).length >= maxGroups;
    if (from < to && to - from <= longest.ms && !hasTooManyLots()) return { from, to };
    throw new QcError('http-invalid', `from must be before to, by at most ${longest.text} with by=${by}`);
  }

  return {
    add: (part) => counter.add(part),
    async report({ camera, recipe, ...request }) {
      const { by } = request;
      const calendar = createCalendar(config.shifts);
      const asked = rangeOf(request);
      const periods = by === 'lot' ? [] : calendar[`${by}s`](asked.from, asked.to);
      const range = { from: periods[0]?.from ?? asked.from, to: periods.at(-1)?.to ?? asked.to };
      const found = await counter.read(range.from - referenceMs, range.to);
      const isAsked = (one: { camera: string; recipe: string }) =>
        (camera === undefined || one.camera === camera) && (recipe === undefined || one.recipe === recipe);
      const counts = found.counts.filter(({ kind }) => isAsked(kind));
      const shown = counts.filter(({ at }) => at >= range.from);
      const groups: Group[] =
        by === 'lot' ? groupByLot(range, recipeChanges(), shown) : groupByPeriod(periods, shown);
      const { timeZone } = calendar;
      const query = { by, ...range, now: now(), timeZone, since: await counter.since() };
      return reportOf(query, { counts, gaps: found.gaps }, groups);
    },
    changes: ({ from, to }) =>
      timeline.changes
        .filter(({ at }) => at >= from && at < to)
        .map(({ at, kind, before, after }) => ({ at: isoOf(at), kind, before, after })),
    downtime: ({ from, to }) => downtimeView(timeline.downtimes, { from, to }, now()),
    watch(station) {
      watched = watchStation(station, { timeline, now, settings, everyMs: lookMs, onWritten });
    },
    async [Symbol.asyncDispose]() {
      watched?.[Symbol.dispose]();
      await counter[Symbol.asyncDispose]();
      await timeline.add({ is: 'stop', at: now() }).catch(onWritten);
    },
  };
}

/** What the last process could not write because it had ended, and what differs from it. */
function startEvents(timeline: Timeline, facts: Record<string, string>, at: number) {
  const { lastRun, downtimes, facts: before } = timeline;
  const { agent, ...settings } = facts;
  const sections = changedSections(before, settings);
  const stopped = lastRun && Math.min(lastRun.at, at);
  const others = Object.entries(before).filter(([name]) => ['model', 'recipe', 'mode'].includes(name));
  return [
    ...downtimes
      .filter(({ to }) => to === undefined)
      .map(({ cause }) => ({ is: 'up' as const, at: stopped ?? at, cause })),
    ...(stopped === undefined
      ? []
      : [
          {
            is: 'down' as const,
            at: stopped,
            kind: 'agent' as const,
            cause: 'agent',
            reason: lastRun?.isStopped ? 'the agent was stopped' : 'the agent ended unexpectedly',
            stops: true,
          },
          { is: 'up' as const, at, cause: 'agent' },
        ]),
    { is: 'change' as const, at, kind: 'start' as const, before: before.agent ?? '', after: agent ?? '' },
    ...(sections.length > 0
      ? [
          {
            is: 'change' as const,
            at,
            kind: 'config' as const,
            before: '',
            after: sections.join(', ').slice(0, 500),
          },
        ]
      : []),
    { is: 'facts' as const, at, facts: { ...Object.fromEntries(others), ...facts } },
  ];
}

function downtimeView(downtimes: readonly Downtime[], { from, to }: Range, now: number): DowntimeView {
  const end = Math.min(to, now);
  const within = downtimes.filter((one) => one.from < to && (one.to ?? now) > from);
  let stopped = 0;
  let until = from;
  for (const one of within.filter(({ stops }) => stops).sort((a, b) => a.from - b.from)) {
    const until2 = Math.min(one.to ?? end, end);
    stopped += Math.max(0, until2 - Math.max(one.from, until));
    until = Math.max(until, until2);
  }
  return {
    from: isoOf(from),
    to: isoOf(to),
    stopped: stopped / 1_000,
    intervals: within
      .sort((a, b) => a.from - b.from)
      .map(({ from, to, kind, cause, reason, stops }) => ({
        from: isoOf(from),
        to: to === undefined ? null : isoOf(to),
        kind,
        cause,
        reason,
        stops,
      })),
  };
}

const isoOf = (at: number) => new Date(at).toISOString();
