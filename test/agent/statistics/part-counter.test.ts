import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { dayMs, hourMs, minuteMs } from '../../../agent/statistics/day.ts';
import { openPartCounter, type PartCounter } from '../../../agent/statistics/part-counter.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { result } from '../../rigs/publisher.ts';
import { until } from '../../rigs/until.ts';

const start = Date.parse('2026-11-29T10:00:00Z');
const deps = (now = start) => ({
  log: pino({ level: 'silent' }),
  now: () => now,
  onFault: () => undefined,
});
const part = (sequence: number, at = start, over: Parameters<typeof result>[1] = {}) =>
  result(sequence, { publishedAt: new Date(at).toISOString(), ...over });
const sumOf = (counts: readonly { count: number }[]) => counts.reduce((sum, { count }) => sum + count, 0);
const everything = (counter: PartCounter) => counter.read(0, Number.MAX_SAFE_INTEGER);

it('counts by minute, camera, recipe, model, verdict and label, and reads the same after a restart', async () => {
  await using folder = await tempFolder();
  {
    await using counter = await openPartCounter(folder.path, 400, deps());
    counter.add(part(1, start + 10));
    counter.add(part(2, start + minuteMs - 1));
    counter.add(part(3, start + minuteMs, { verdict: 'pass', label: 'good' }));
    counter.add(part(1, start, { camera: 'side', verdict: 'uncertain', label: null }));
    const { counts, gaps } = await everything(counter);
    expect(counts.map(({ at, count }) => [at - start, count])).toEqual([
      [0, 2],
      [0, 1],
      [minuteMs, 1],
    ]);
    expect(gaps).toEqual([]);
  }
  await using again = await openPartCounter(folder.path, 400, deps());
  const { counts } = await everything(again);
  expect(sumOf(counts)).toBe(4);
  expect(counts[0]!.kind).toEqual({
    camera: 'top',
    recipe: 'default',
    version: '2026-11-23.2',
    verdict: 'fail',
    label: 'scratch',
  });
  expect(await again.since()).toBe(start);
  expect((await again.read(start + minuteMs, start + 2 * minuteMs)).counts).toHaveLength(1);
});

it('records the parts that a kill prevented from being counted, and counts none twice', async () => {
  await using folder = await tempFolder();
  const script = fileURLToPath(new URL('./counting-process.js', import.meta.url));
  let stored = 0;
  for (let kill = 0; kill < 4; kill++) {
    const child = spawn(process.execPath, [script, folder.path, String(stored + 1)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.stdout.setEncoding('utf8');
    let text = '';
    child.stdout.on('data', (more: string) => {
      text += more;
    });
    await until(() => text.split('\n').length > 300 + 190 * kill, { what: 'parts' });
    child.kill('SIGKILL');
    await once(child, 'close');
    stored = Number(text.trimEnd().split('\n').at(-1));
  }
  await using counter = await openPartCounter(folder.path, 400, { ...deps(), now: () => Date.now() });
  counter.add(part(stored + 1, Date.now()));
  const { counts, gaps } = await everything(counter);
  const missing = gaps.reduce((sum, { atMost }) => sum + atMost, 0);
  expect(sumOf(counts) + missing).toBe(stored + 1);
  // At most what a pause between two writes contains is missing after each kill.
  expect(sumOf(counts)).toBeGreaterThan(300);
  for (const { camera, from, to } of gaps) {
    expect(camera).toBe('top');
    expect(to).toBeGreaterThanOrEqual(from);
  }
}, 30_000);

it('reads around half a line and damaged lines', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'statistics', '2026-11-29.jsonl');
  for (let sequence = 1; sequence <= 3; sequence++) {
    await using counter = await openPartCounter(folder.path, 400, deps());
    counter.add(part(sequence, start + sequence * minuteMs));
  }
  await appendFile(file, '{"at":17642');
  await (await openPartCounter(folder.path, 400, deps()))[Symbol.asyncDispose]();
  const lines = (await readFile(file, 'utf8')).split('\n');
  await writeFile(file, [lines[0], lines[1], '{"at":"never"}', lines[2], lines[3], '{"at":17'].join('\n'));
  await using counter = await openPartCounter(folder.path, 400, deps());
  counter.add(part(4, start + 4 * minuteMs));
  expect(sumOf((await everything(counter)).counts)).toBe(4);
  await counter[Symbol.asyncDispose]();
  await using again = await openPartCounter(folder.path, 400, deps());
  expect(sumOf((await everything(again)).counts)).toBe(4);
});

it('keeps minutes for two weeks, then hours, and deletes the oldest days', async () => {
  await using folder = await tempFolder();
  {
    await using counter = await openPartCounter(folder.path, 30, deps());
    let sequence = 0;
    for (let day = 0; day < 3; day++)
      for (let minute = 0; minute < 120; minute++)
        counter.add(part(++sequence, start + day * dayMs + minute * minuteMs));
  }
  const later = async (days: number) => {
    await using counter = await openPartCounter(folder.path, 30, deps(start + days * dayMs));
    counter.add(part(1_000 + days, start + days * dayMs));
    await until(async () => (await files()).includes(dayOf(days)), { what: 'the file of the new day' });
    await counter[Symbol.asyncDispose]();
    await using read = await openPartCounter(folder.path, 30, deps(start + days * dayMs));
    return (await read.read(start, start + 3 * dayMs)).counts;
  };
  const files = () => readdir(join(folder.path, 'statistics'));
  const dayOf = (days: number) => `${new Date(start + days * dayMs).toISOString().slice(0, 10)}.jsonl`;

  expect(await later(10)).toHaveLength(360);
  const hours = await later(16);
  expect(sumOf(hours)).toBe(360);
  expect(hours.filter(({ ms }) => ms === hourMs).map(({ count }) => count)).toEqual([60, 60, 60, 60]);
  expect(hours.filter(({ ms }) => ms === minuteMs)).toHaveLength(120);
  const left = await later(31);
  expect(sumOf(left)).toBe(240);
  expect(await files()).not.toContain('2026-11-29.jsonl');
});

it('keeps its file small while parts are counted one by one', async () => {
  await using folder = await tempFolder();
  await using counter = await openPartCounter(folder.path, 400, deps());
  // Each part has another label: lines are long and cannot be merged into few.
  for (let sequence = 1; sequence <= 3_000; sequence++) {
    counter.add(
      part(sequence, start + sequence, { label: `defect ${sequence % 900}`, recipe: `r${sequence}` }),
    );
    if (sequence % 300 === 0) await sleep(110);
  }
  const { counts } = await everything(counter);
  expect(sumOf(counts)).toBe(3_000);
  await counter[Symbol.asyncDispose]();
  const { size } = await stat(join(folder.path, 'statistics', '2026-11-29.jsonl'));
  expect(size).toBeLessThan(400_000);
  await using again = await openPartCounter(folder.path, 400, deps());
  const { counts: read } = await everything(again);
  expect(sumOf(read)).toBe(3_000);
  // Bounded: recipes and labels beyond a limit are counted together.
  expect(read.length).toBeLessThan(520);
});

it('keeps counts in memory while the disk fails, then writes them', async () => {
  await using folder = await tempFolder();
  const faults: string[] = [];
  // A file in place of the folder: nothing can be written below it.
  await writeFile(join(folder.path, 'statistics'), '');
  await using counter = await openPartCounter(folder.path, 400, {
    ...deps(),
    onFault: (text) => void faults.push(text),
  });
  counter.add(part(1));
  await until(() => faults.at(-1)?.includes('cannot be written'), { what: 'the fault' });
  counter.add(part(2));
  expect(sumOf((await everything(counter)).counts)).toBe(2);
  await rm(join(folder.path, 'statistics'));
  await until(() => faults.at(-1) === '', { what: 'the end of the fault' });
  await counter[Symbol.asyncDispose]();
  await using again = await openPartCounter(folder.path, 400, deps());
  expect(sumOf((await everything(again)).counts)).toBe(2);
});

it('counts on if the numbers of a camera start again', async () => {
  await using folder = await tempFolder();
  await using counter = await openPartCounter(folder.path, 400, deps());
  for (const sequence of [7, 8, 1, 2]) counter.add(part(sequence));
  const { counts, gaps } = await everything(counter);
  expect(sumOf(counts)).toBe(4);
  expect(gaps).toEqual([]);
});

it('counts no part of a challenge test, and misses none of them', async () => {
  await using folder = await tempFolder();
  const challenge = { part: 'bad', judged: 'fail', outcome: 'right' } as const;
  const later = { ...deps(), now: () => start + dayMs };
  {
    await using counter = await openPartCounter(folder.path, 400, later);
    counter.add(part(1, start, { challenge }));
    counter.add(part(2, start, { challenge }));
    expect(await counter.since()).toBeUndefined();
  }
  {
    // Only numbers are on disk, and the day is rewritten because it is past.
    await using counter = await openPartCounter(folder.path, 400, later);
    expect(await counter.since()).toBeUndefined();
    counter.add(part(3));
    counter.add(part(4, start, { challenge }));
    counter.add(part(5));
    counter.add(part(6, start + dayMs, { challenge }));
  }
  await using counter = await openPartCounter(folder.path, 400, later);
  counter.add(part(7, start + dayMs));
  // A part that is really missing is found by the next one, counted or not.
  counter.add(part(9, start + dayMs, { challenge }));
  const { counts, gaps } = await everything(counter);
  expect(sumOf(counts)).toBe(3);
  expect(gaps).toEqual([{ camera: 'top', from: start + dayMs, to: start + dayMs, atMost: 1 }]);
  expect(await counter.since()).toBe(start);
});

it('misses no part after the clock was wrong, and keeps the counts of all days', async () => {
  for (const days of [1, 30]) {
    await using folder = await tempFolder();
    {
      // The clock is wrong at first.
      await using counter = await openPartCounter(folder.path, 400, deps(start + days * dayMs));
      counter.add(part(1, start + days * dayMs));
    }
    for (let sequence = 2; sequence <= 5; sequence++) {
      await using counter = await openPartCounter(folder.path, 400, deps());
      counter.add(part(sequence));
    }
    await using counter = await openPartCounter(folder.path, 400, deps());
    // The number of today's newest part is known.
    counter.add(part(8));
    const { counts, gaps } = await everything(counter);
    expect(sumOf(counts), `${days} days`).toBe(6);
    expect(
      gaps.map(({ atMost }) => atMost),
      `${days} days`,
    ).toEqual([2]);
  }
});
