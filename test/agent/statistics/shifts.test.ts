import { describe, expect, it } from 'vitest';
import { createCalendar } from '../../../agent/statistics/shifts.ts';
import { shiftsSchema } from '../../../config/shifts-schema.ts';

const hourMs = 3_600_000;
const at = (text: string) => Date.parse(text);
const berlin = createCalendar(shiftsSchema.parse({ timeZone: 'Europe/Berlin' }));
/** Name and length in hours of each shift, with its local start. */
const told = (from: string, to: string, calendar = berlin) =>
  calendar
    .shifts(at(from), at(to))
    .map(
      ({ name, from, to }) => `${name} ${new Date(from).toISOString().slice(0, 16)} ${(to - from) / hourMs}`,
    );

describe('shifts', () => {
  it('cover the time without gaps, and begin with the one that runs at its start', () => {
    expect(told('2026-11-30T05:30:00Z', '2026-11-30T22:00:00Z')).toEqual([
      'Early 2026-11-30T05:00 8',
      'Late 2026-11-30T13:00 8',
      'Night 2026-11-30T21:00 8',
    ]);
    // After midnight, the night shift of the day before.
    expect(told('2026-11-30T03:00:00Z', '2026-11-30T03:00:01Z')).toEqual(['Night 2026-11-29T21:00 8']);
  });

  it('are an hour shorter or longer when the clocks change', () => {
    expect(told('2026-03-28T21:00:00Z', '2026-03-29T04:30:00Z')).toEqual([
      'Night 2026-03-28T21:00 7',
      'Early 2026-03-29T04:00 8',
    ]);
    expect(told('2026-10-24T20:00:00Z', '2026-10-25T05:30:00Z')).toEqual([
      'Night 2026-10-24T20:00 9',
      'Early 2026-10-25T05:00 8',
    ]);
  });

  it('begin later if their time is skipped, and at the first of two equal times', () => {
    const starts = [
      { name: 'A', at: '02:30' },
      { name: 'B', at: '12:00' },
    ];
    const odd = createCalendar(shiftsSchema.parse({ timeZone: 'Europe/Berlin', starts }));
    // 02:30 does not exist on March 29: 03:30 summer time.
    expect(told('2026-03-29T02:00:00Z', '2026-03-29T09:00:00Z', odd)[0]).toBe('A 2026-03-29T01:30 8.5');
    expect(told('2026-10-25T01:00:00Z', '2026-10-25T09:00:00Z', odd)[0]).toBe('A 2026-10-25T00:30 10.5');
  });

  it('touch each other through a year, in zones with whole, half and no changes', () => {
    for (const timeZone of [
      'Europe/Berlin',
      'America/St_Johns',
      'Australia/Lord_Howe',
      'Asia/Kolkata',
      'UTC',
    ]) {
      const calendar = createCalendar(shiftsSchema.parse({ timeZone }));
      for (const kind of ['shifts', 'days', 'hours'] as const) {
        const from = at('2026-01-01T10:10:00Z');
        const to = from + (kind === 'hours' ? 365 : 400) * 24 * hourMs;
        const periods = calendar[kind](from, to);
        expect(periods[0]!.from, `${timeZone} ${kind}`).toBeLessThanOrEqual(from);
        expect(periods.at(-1)!.to).toBeGreaterThanOrEqual(to);
        for (const [i, period] of periods.entries()) if (i > 0) expect(period.from).toBe(periods[i - 1]!.to);
      }
    }
  });

  it('may be a single one, which lasts a day', () => {
    const one = createCalendar(
      shiftsSchema.parse({ timeZone: 'Europe/Berlin', starts: [{ name: 'All', at: '00:00' }] }),
    );
    expect(told('2026-10-25T12:00:00Z', '2026-10-25T12:01:00Z', one)).toEqual(['All 2026-10-24T22:00 25']);
    expect(one.days(at('2026-03-29T12:00:00Z'), at('2026-03-29T12:01:00Z'))).toEqual([
      { name: '', from: at('2026-03-28T23:00:00Z'), to: at('2026-03-29T22:00:00Z') },
    ]);
  });

  it('use the time zone of the machine unless one is configured', () => {
    expect(createCalendar(shiftsSchema.parse({}), 'Asia/Tokyo').timeZone).toBe('Asia/Tokyo');
  });
});

describe('the settings', () => {
  it.each([
    [{ timeZone: 'Europe/Nowhere' }, 'is not the name of a time zone'],
    [{ starts: [{ name: 'A', at: '24:00' }] }, 'HH:MM'],
    [{ starts: [{ name: 'A', at: '6:00' }] }, 'HH:MM'],
    [
      {
        starts: [
          { name: 'A', at: '06:00' },
          { name: 'B', at: '06:00' },
        ],
      },
      'two shifts begin at the same time',
    ],
    [{ starts: [] }, ''],
  ])('refuse %j', (value, message) => {
    const checked = shiftsSchema.safeParse(value);
    expect(checked.success).toBe(false);
    expect(checked.error!.issues[0]!.message).toContain(message);
  });
});
