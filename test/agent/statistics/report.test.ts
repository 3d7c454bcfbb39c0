import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { hourMs, minuteMs } from '../../../agent/statistics/day.ts';
import type { BucketCount } from '../../../agent/statistics/part-counter.ts';
import { groupByLot } from '../../../agent/statistics/report.ts';
import { openStatistics } from '../../../agent/statistics/statistics.ts';
import { type Config, configSchema } from '../../../config/schema.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { result } from '../../rigs/publisher.ts';

const start = Date.parse('2026-11-20T06:00:00Z');

const count = (at: number, recipe: string, ms = minuteMs): BucketCount => ({
  at,
  ms,
  kind: { camera: 'top', recipe, version: 'v1', verdict: 'pass', label: 'good' },
  count: 1,
});

it('groups by lot in little time', () => {
  const minutes = 20_000;
  const changes = Array.from({ length: minutes }, (_, i) => ({ at: i * minuteMs, recipe: `r${i % 7}` }));
  const counts = changes.flatMap(({ at, recipe }) => Array.from({ length: 10 }, () => count(at, recipe)));
  const startedAt = performance.now();
  const groups = groupByLot({ from: 0, to: minutes * minuteMs }, changes, counts);
  // Comparing each count with each lot takes about 9 s.
  expect(performance.now() - startedAt).toBeLessThan(3_000);
  expect(groups).toHaveLength(minutes);
  expect(groups.every(({ counts }) => counts.length === 10)).toBe(true);
}, 60_000);

it('gives the parts of an hour with several lots to the first of their recipe, in any order', () => {
  const change = (minute: number, recipe: string) => ({ at: minute * minuteMs, recipe });
  const groups = groupByLot(
    { from: 0, to: 3 * hourMs },
    // The clock was set back; two changes at one time.
    [change(30, 'b'), change(0, 'a'), change(90, 'c'), change(50, 'a'), change(90, 'd')],
    [
      count(2 * hourMs, 'd'),
      count(0, 'b', hourMs),
      count(0, 'a', hourMs),
      count(hourMs, 'a', hourMs),
      count(hourMs, 'd', hourMs),
      count(hourMs, 'other', hourMs),
    ],
  );
  expect(
    groups.map(({ name, from, to, counts }) => [name, from / minuteMs, to / minuteMs, counts.length]),
  ).toEqual([
    ['a', 0, 30, 1],
    ['b', 30, 50, 1],
    ['a', 50, 90, 1],
    ['other', 50, 90, 1],
    ['d', 90, 180, 2],
  ]);
});

it('refuses a time with too many lots, and shows fewer by default', async () => {
  await using folder = await tempFolder();
  // A change each minute.
  const changes = Array.from({ length: 2_000 }, (_, i) => {
    const after = `r${i % 2}`;
    return { is: 'change', at: start + i * minuteMs, kind: 'recipe', before: '', after };
  });
  await mkdir(join(folder.path, 'statistics'));
  await writeFile(
    join(folder.path, 'statistics', 'timeline.jsonl'),
    changes.map((one) => `${JSON.stringify(one)}\n`).join(''),
  );
  const config = configSchema.parse({
    station: 'press-3',
    cameras: { top: { url: 'rtsp://127.0.0.1/top' } },
    shifts: { timeZone: 'UTC' },
    storage: { directory: folder.path },
  }) as Config;
  await using statistics = await openStatistics(config, {
    log: pino({ level: 'silent' }),
    version: '1.0.0',
    onFault: () => undefined,
    now: () => start + 2_000 * minuteMs,
  });
  for (let i = 0; i < 2_000; i++) {
    const publishedAt = new Date(start + i * minuteMs).toISOString();
    statistics.add(result(i + 1, { publishedAt, recipe: `r${i % 2}` }));
  }
  await expect(statistics.report({ by: 'lot', from: start })).rejects.toThrow('1199 changes');
  const { from, groups } = await statistics.report({ by: 'lot' });
  expect(from).toBe(new Date(start + 800 * minuteMs).toISOString());
  expect(groups).toHaveLength(1_200);
  expect(groups.every(({ parts }) => parts === 1)).toBe(true);
  // What the page asks for next.
  expect((await statistics.report({ by: 'lot', from: start + 800 * minuteMs })).groups).toEqual(groups);
});
