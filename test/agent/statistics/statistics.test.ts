import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../agent/metrics/metrics.ts';
import type { Limit, StationFacts } from '../../../agent/station.ts';
import { dayMs, hourMs, minuteMs } from '../../../agent/statistics/day.ts';
import { openStatistics, type Statistics } from '../../../agent/statistics/statistics.ts';
import { type Config, configSchema } from '../../../config/schema.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { result } from '../../rigs/publisher.ts';
import { until } from '../../rigs/until.ts';

const start = Date.parse('2026-11-20T06:00:00Z');
const configOf = (directory: string, more: object = {}) =>
  configSchema.parse({
    station: 'press-3',
    cameras: { top: { url: 'rtsp://127.0.0.1/top' } },
    shifts: { timeZone: 'UTC' },
    storage: { directory },
    ...more,
  }) as Config;

interface Clock {
  now: number;
}
const open = (directory: string, clock: Clock, more: object = {}, version = '1.0.0') =>
  openStatistics(configOf(directory, more), {
    log: pino({ level: 'silent' }),
    version,
    onFault: () => undefined,
    now: () => clock.now,
    lookMs: 20,
  });

let sequence = 0;
function add(statistics: Statistics, at: number, count: number, over: Parameters<typeof result>[1] = {}) {
  for (let i = 0; i < count; i++)
    statistics.add(result(++sequence, { publishedAt: new Date(at).toISOString(), ...over }));
}
const good = { verdict: 'pass', label: 'good' } as const;
const untrained = { verdict: 'uncertain', label: null } as const;
const none = { version: 'none', base: 'resnet50', precision: 'int8', provider: 'cpu' };

describe('the rates', () => {
  it('exclude parts from before a head existed: 26 of 37 judged parts have failed, not 11.4 %', async () => {
    await using folder = await tempFolder();
    await using statistics = await open(folder.path, { now: start + hourMs });
    add(statistics, start, 191, { ...untrained, model: none });
    add(statistics, start + minuteMs, 26);
    add(statistics, start + minuteMs, 11, good);
    add(statistics, start + minuteMs, 2, { ...untrained, state: 'failed' });
    const { total, groups, since, defects } = await statistics.report({ by: 'shift' });
    expect(total).toMatchObject({ parts: 230, judged: 37, fail: 26, untrained: 191, unjudged: 2 });
    expect(total.rate).toBeCloseTo(26 / 37, 6);
    expect(total.interval!.low).toBeGreaterThan(0.5);
    expect(groups.at(-1)).toMatchObject({ name: 'Early', judged: 37, running: true });
    expect(since).toBe('2026-11-20T06:00:00.000Z');
    expect(defects).toEqual([{ label: 'scratch', count: 26 }]);
  });

  it('are by shift, hour and day, of one camera or recipe', async () => {
    await using folder = await tempFolder();
    await using statistics = await open(folder.path, { now: start + 20 * hourMs });
    add(statistics, start + 10 * minuteMs, 4);
    add(statistics, start + 9 * hourMs, 3, good);
    add(statistics, start + 9 * hourMs, 1, { ...good, camera: 'side', recipe: 'm8' });
    const by = async (grouping: 'hour' | 'shift' | 'day', more: object = {}) => {
      const { groups } = await statistics.report({
        by: grouping,
        from: start,
        to: start + 12 * hourMs,
        ...more,
      });
      return groups.map(({ name, judged }) => `${name}${judged}`);
    };
    expect(await by('shift')).toEqual(['Early4', 'Late4']);
    expect(await by('hour')).toEqual(['4', '0', '0', '0', '0', '0', '0', '0', '0', '4', '0', '0']);
    expect(await by('day')).toEqual(['8']);
    expect(await by('shift', { camera: 'side' })).toEqual(['Early0', 'Late1']);
    expect(await by('shift', { recipe: 'default' })).toEqual(['Early4', 'Late3']);
    const { cameras, recipes } = await statistics.report({ by: 'day' });
    expect([cameras, recipes]).toEqual([
      ['side', 'top'],
      ['default', 'm8'],
    ]);
  });

  it('are compared with the week before, and points outside of the limits are named', async () => {
    await using folder = await tempFolder();
    const clock = { now: start + 3 * dayMs };
    await using statistics = await open(folder.path, clock);
    for (let hour = 0; hour < 40; hour++) {
      add(statistics, start + hour * hourMs, 19, good);
      add(statistics, start + hour * hourMs, 1);
    }
    const today = start + 2 * dayMs;
    add(statistics, today, 20, good);
    add(statistics, today + hourMs, 10, good);
    add(statistics, today + hourMs, 10);
    add(statistics, today + 2 * hourMs, 1);
    const report = await statistics.report({ by: 'hour', from: today, to: today + 3 * hourMs });
    expect(report.reference).toMatchObject({ kind: 'before', judged: 800, fail: 40, rate: 0.05 });
    expect(report.groups.map(({ outside }) => outside)).toEqual([null, 'above', null]);
    const { limits } = report.groups[1]!;
    expect(limits!.upper).toBeGreaterThan(0.05);
    expect(limits!.upper).toBeLessThan(0.4);
    // The single failed part of the last hour is 100 %, but no reason for an alarm.
    expect(report.groups[2]).toMatchObject({ rate: 1, limits: { upper: 1 } });
  });

  it('are by lot: what is made of one recipe without a change', async () => {
    await using folder = await tempFolder();
    const clock = { now: start };
    await using statistics = await open(folder.path, clock);
    const station: { limits: Limit[]; facts: StationFacts } = {
      limits: [],
      facts: { model: 'v1', recipe: 'default', mode: 'inspection' },
    };
    statistics.watch(station);
    const use = async (recipe: string, at: number) => {
      clock.now = at;
      station.facts = { ...station.facts, recipe };
      await until(() => statistics.changes({ from: at, to: at + 1 }).length > 0, { what: 'the change' });
    };
    await new Promise((resolve) => setTimeout(resolve, 100));
    add(statistics, start + minuteMs, 2);
    await use('m8', start + 10 * minuteMs + 30_000);
    // In the same minute as the change.
    add(statistics, start + 10 * minuteMs, 1);
    add(statistics, start + 10 * minuteMs + 40_000, 5, { recipe: 'm8', ...good });
    await use('default', start + 20 * minuteMs);
    add(statistics, start + 21 * minuteMs, 4);
    const { groups } = await statistics.report({ by: 'lot', from: start, to: start + hourMs });
    expect(groups.map(({ name, parts }) => [name, parts])).toEqual([
      ['default', 3],
      ['m8', 5],
      ['default', 4],
    ]);
    expect(groups[1]).toMatchObject({ from: '2026-11-20T06:10:30.000Z', to: '2026-11-20T06:20:00.000Z' });
  });

  it('agree with the metrics', async () => {
    await using folder = await tempFolder();
    await using statistics = await open(folder.path, { now: start + hourMs });
    const metrics = createMetrics({ version: '1' });
    for (let i = 1; i <= 500; i++) {
      const over = i % 3 === 0 ? good : i % 7 === 0 ? { ...untrained, model: none } : {};
      const one = result(i, { ...over, publishedAt: new Date(start + i * 1_000).toISOString() });
      statistics.add(one);
      metrics.partInspected(one);
    }
    const text = await metrics.text();
    const metric = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
    const { total, defects } = await statistics.report({ by: 'hour', from: start, to: start + hourMs });
    const parts = (verdict: string) =>
      metric(`qc_parts_inspected_total\\{camera="top",recipe="default",verdict="${verdict}"\\}`);
    expect(total.pass).toBe(parts('pass'));
    expect(total.fail).toBe(parts('fail'));
    expect(total.uncertain + total.untrained + total.unjudged).toBe(parts('uncertain'));
    expect(total.parts).toBe(500);
    expect(defects).toEqual([
      {
        label: 'scratch',
        count: metric('qc_defects_total\\{camera="top",recipe="default",label="scratch"\\}'),
      },
    ]);
  });

  it('refuse a time that is too long or ends before it begins', async () => {
    await using folder = await tempFolder();
    await using statistics = await open(folder.path, { now: start });
    await expect(statistics.report({ by: 'hour', from: start - 100 * dayMs })).rejects.toThrow('1200 hours');
    await expect(statistics.report({ by: 'day', from: start, to: start - 1 })).rejects.toThrow('before');
    const last = (days: number) => ({ from: start - days * dayMs });
    await expect(statistics.report({ by: 'shift', ...last(401) })).rejects.toThrow('400 days');
    expect((await statistics.report({ by: 'shift', ...last(399) })).groups.length).toBeLessThanOrEqual(1_200);
    await expect(statistics.report({ by: 'day', ...last(1_201) })).rejects.toThrow('1200 days');
    await expect(statistics.report({ by: 'lot', ...last(93) })).rejects.toThrow('92 days');
    expect((await statistics.report({ by: 'lot', ...last(92) })).groups).toEqual([]);
  });
});

describe('changes and downtimes', () => {
  it('tell what was changed, also between two runs, and why nothing was inspected', async () => {
    await using folder = await tempFolder();
    const clock = { now: start };
    const station: { limits: Limit[]; facts: StationFacts | undefined } = { limits: [], facts: undefined };
    const all = (statistics: Statistics) => statistics.changes({ from: 0, to: Number.MAX_SAFE_INTEGER });
    const look = async (statistics: Statistics, ms: number, done: () => boolean) => {
      clock.now += ms;
      await until(done, { what: 'the next look' });
      return statistics;
    };
    {
      await using statistics = await open(folder.path, clock);
      statistics.watch(station);
      station.facts = { model: 'v1', recipe: 'default', mode: 'inspection' };
      await new Promise((resolve) => setTimeout(resolve, 100));
      station.facts = { ...station.facts, model: 'v2' };
      await look(statistics, minuteMs, () => all(statistics).length === 2);
      station.limits = [
        { kind: 'camera', cause: 'camera top', reason: 'no route to host', stops: true },
        { kind: 'broker', cause: 'broker', reason: 'refused', stops: false },
      ];
      const downs = () => statistics.downtime({ from: 0, to: clock.now + 1 }).intervals.length;
      await look(statistics, minuteMs, () => downs() === 2);
      station.limits = [];
      const ended = () => statistics.downtime({ from: 0, to: clock.now + 1 }).intervals[0]!.to !== null;
      await look(statistics, 5 * minuteMs, ended);
      const { stopped, intervals } = statistics.downtime({ from: start, to: clock.now });
      expect(stopped).toBe(300);
      expect(intervals[0]).toEqual({
        from: '2026-11-20T06:02:00.000Z',
        to: '2026-11-20T06:07:00.000Z',
        kind: 'camera',
        cause: 'camera top',
        reason: 'no route to host',
        stops: true,
      });
    }
    clock.now += hourMs;
    // The file says when the last process ran.
    await using again = await open(folder.path, clock, { thresholds: { pass: 0.9 } }, '1.1.0');
    expect(all(again).map(({ kind, before, after }) => `${kind}: ${before} → ${after}`)).toEqual([
      'start:  → 1.0.0',
      'model: v1 → v2',
      'start: 1.0.0 → 1.1.0',
      'config:  → thresholds',
    ]);
    const agent = again.downtime({ from: 0, to: clock.now }).intervals.find(({ kind }) => kind === 'agent');
    expect(agent).toMatchObject({ reason: 'the agent was stopped', to: '2026-11-20T07:07:00.000Z' });
  });

  it('end an interval at the last sign of life of a process that was killed', async () => {
    await using folder = await tempFolder();
    const clock = { now: start };
    const itsClock = { now: start };
    const killed = await open(folder.path, itsClock);
    killed.watch({
      limits: [{ kind: 'model', cause: 'model', reason: 'no head yet', stops: true }],
      facts: undefined,
    });
    const downtimes = () => killed.downtime({ from: 0, to: start + 1 }).intervals.length;
    await until(() => downtimes() === 1, { what: 'the downtime' });
    itsClock.now = start + 20 * minuteMs;
    const file = join(folder.path, 'statistics', 'timeline.jsonl');
    await until(async () => (await stat(file)).mtimeMs === itsClock.now, { what: 'a sign of life' });
    // The process is not closed: as after a kill, nothing is written at its end.
    clock.now = start + hourMs;
    await using again = await open(folder.path, clock);
    const { intervals, stopped } = again.downtime({ from: 0, to: clock.now });
    expect(
      intervals.map(({ cause, from, to, reason }) => [cause, from.slice(11, 16), to?.slice(11, 16), reason]),
    ).toEqual([
      ['model', '06:00', '06:20', 'no head yet'],
      ['agent', '06:20', '07:00', 'the agent ended unexpectedly'],
    ]);
    expect(stopped).toBe(3_600);
    await killed[Symbol.asyncDispose]();
  });

  it('count overlapping downtimes once and merge those of a flapping cause', async () => {
    await using folder = await tempFolder();
    const clock = { now: start };
    await using statistics = await open(folder.path, clock);
    const station: { limits: Limit[]; facts: undefined } = { limits: [], facts: undefined };
    statistics.watch(station);
    const down: Limit = { kind: 'camera', cause: 'camera top', reason: 'stalled', stops: true };
    const intervals = () => statistics.downtime({ from: 0, to: clock.now + 1 }).intervals;
    for (let i = 0; i < 2; i++) {
      station.limits = [down];
      await until(() => intervals().at(-1)?.to === null, { what: 'down' });
      clock.now += 4_000;
      station.limits = [];
      await until(() => intervals().at(-1)?.to !== null, { what: 'up' });
      clock.now += 4_000;
    }
    expect(intervals()).toHaveLength(1);
  });
});
