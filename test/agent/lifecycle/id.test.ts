import { decodeTime } from 'ulid';
import { expect, it } from 'vitest';
import { idsGoOnAfter, newId } from '../../../agent/lifecycle/id.ts';
import { until } from '../../rigs/until.ts';

const isSorted = (ids: readonly string[]) =>
  ids.every((id, index) => index === 0 || id > ids[index - 1]!) && new Set(ids).size === ids.length;

it('ids sort by their age, also within a millisecond and after the clock was set back or forward', async () => {
  const now = Date.now();
  const hour = 3_600_000;
  const ids = [
    now,
    now,
    now,
    now - hour,
    now - hour + 1,
    now - 24 * hour,
    now + hour,
    now + hour,
    now,
    now + 2 * hour,
  ];
  expect(isSorted(ids.map((time) => newId(time)))).toBe(true);
});

it('their time continues while the clock is behind', async () => {
  const ahead = decodeTime(newId()) + 3 * 3_600_000;
  const first = newId(ahead);
  await until(() => decodeTime(newId()) >= ahead + 20, { what: 'time to go on' });
  expect(isSorted([first, newId()])).toBe(true);
});

it('and after the ids of an earlier process', () => {
  const later = newId(Date.now() + 24 * 3_600_000);
  idsGoOnAfter(later);
  expect(newId() > later).toBe(true);
});
