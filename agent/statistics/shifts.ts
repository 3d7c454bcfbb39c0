/**
 * Shifts, days and hours as periods of time. A start time is a time of the local clock: on the day when the clocks change, the
 * shift across the change is an hour shorter or longer. A start that is skipped is moved by the length of the change, and one
 * that occurs twice is the first of them (as `disambiguation: compatible` of Temporal).
 */
import type { ShiftsConfig } from '../../config/schema.ts';
import { dayMs, hourMs, minuteMs } from './day.ts';

export interface Period {
  readonly name: string;
  /** ms since the epoch */
  readonly from: number;
  readonly to: number;
}

/** A moment of a local clock, as numbers. */
interface LocalTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
}

export interface Calendar {
  /** IANA name. */
  readonly timeZone: string;
  /** Periods that overlap the time from `from` to `to`, oldest first. */
  shifts(from: number, to: number): Period[];
  days(from: number, to: number): Period[];
  hours(from: number, to: number): Period[];
}

/** @param machineTimeZone used if none is configured */
export function createCalendar(
  { timeZone: configured, starts }: ShiftsConfig,
  machineTimeZone = Intl.DateTimeFormat().resolvedOptions().timeZone,
): Calendar {
  const timeZone = configured ?? machineTimeZone;
  const clock = createClock(timeZone);
  const sorted = starts
    .map(({ name, at }) => {
      const [hour = 0, minute = 0] = at.split(':').map(Number);
      return { name, hour, minute };
    })
    .sort((a, b) => a.hour - b.hour || a.minute - b.minute);

  /** Moments at the given times of every local day around the range, with the moment after it. */
  function between(
    from: number,
    to: number,
    times: readonly { name: string; hour: number; minute: number }[],
  ) {
    const { year, month, day } = clock.local(from);
    const marks: { name: string; at: number }[] = [];
    // The period at `from` may have begun a day before.
    for (let offset = -1; ; offset++) {
      const date = new Date(Date.UTC(year, month - 1, day + offset));
      for (const { name, hour, minute } of times) {
        const at = clock.moment({
          year: date.getUTCFullYear(),
          month: date.getUTCMonth() + 1,
          day: date.getUTCDate(),
          hour,
          minute,
        });
        marks.push({ name, at });
      }
      if (marks.at(-1)!.at >= to) break;
    }
    return marks.slice(0, -1).flatMap(({ name, at }, i): Period[] => {
      const end = marks[i + 1]!.at;
      return end > from && at < to && end > at ? [{ name, from: at, to: end }] : [];
    });
  }

  return {
    timeZone,
    shifts: (from, to) => between(from, to, sorted),
    days: (from, to) => between(from, to, [{ name: '', hour: 0, minute: 0 }]),
    hours(from, to) {
      const periods: Period[] = [];
      const untilFull = (at: number) => (60 - clock.local(at).minute) % 60;
      const second = from - (from % minuteMs);
      let start = second - clock.local(second).minute * minuteMs;
      while (start < to) {
        const next = start + hourMs;
        // A few zones change by half an hour.
        const end = next + untilFull(next) * minuteMs;
        periods.push({ name: '', from: start, to: end });
        start = end;
      }
      return periods;
    },
  };
}

function createClock(timeZone: string) {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  });
  const local = (at: number): LocalTime => {
    const parts = Object.fromEntries(
      format.formatToParts(at).map(({ type, value }) => [type, Number(value)]),
    );
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0 } = parts;
    return { year, month, day, hour, minute };
  };
  const asUtc = ({ year, month, day, hour, minute }: LocalTime) =>
    Date.UTC(year, month - 1, day, hour, minute);
  /** Local time minus UTC, ms. */
  const offset = (at: number) => asUtc(local(at)) - (at - (at % minuteMs));
  return {
    local,
    /** The moment at which the local clock shows this time. */
    moment(time: LocalTime): number {
      const wanted = asUtc(time);
      // The offsets a day before and after: they differ only around a change of the clocks.
      const before = wanted - offset(wanted - dayMs);
      const after = wanted - offset(wanted + dayMs);
      const fitting = [before, after].filter((at) => asUtc(local(at)) === wanted);
      return fitting.length > 0 ? Math.min(...fitting) : before;
    },
  };
}
