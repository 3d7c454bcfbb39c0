import { expect, it } from 'vitest';
import { newestDue } from '../../../agent/challenge/schedule.ts';

const at = (day: number, hours: number, minutes: number) => new Date(2026, 10, day, hours, minutes).getTime();

it.each([
  [at(30, 5, 59), at(29, 22, 0)],
  [at(30, 6, 0), at(30, 6, 0)],
  [at(30, 13, 59), at(30, 6, 0)],
  [at(30, 14, 0), at(30, 14, 0)],
  [at(30, 23, 59), at(30, 22, 0)],
  [new Date(2026, 0, 1, 0, 30).getTime(), new Date(2025, 11, 31, 22, 0).getTime()],
])('finds the newest due time of the day or of the day before (%#)', (now, due) => {
  expect(newestDue(['22:00', '06:00', '14:00'], now)).toBe(due);
});

it('has no due time without times', () => {
  expect(newestDue([], at(30, 6, 0))).toBeUndefined();
});
