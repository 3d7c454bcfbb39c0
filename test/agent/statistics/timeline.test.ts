import { mkdir, readFile, rmdir, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openTimeline, type TimelineEvent } from '../../../agent/statistics/timeline.ts';
import { tempFolder } from '../../models/temp-folder.ts';

/** As many lines as the file may have. */
const full = 20_000;
const change = (at: number): TimelineEvent => ({
  is: 'change',
  at,
  kind: 'recipe',
  before: `r${at - 1}`,
  after: `r${at}`,
});
const linesOf = async (file: string) => (await readFile(file, 'utf8')).trimEnd().split('\n');

async function openFull(folder: string) {
  const file = join(folder, 'timeline.jsonl');
  const lines = Array.from({ length: full }, (_, at) => `${JSON.stringify(change(at))}\n`);
  await writeFile(file, lines.join(''));
  return { file, timeline: await openTimeline(file, () => undefined) };
}

it('writes each event once when the file is full', async () => {
  await using folder = await tempFolder();
  const { file, timeline } = await openFull(folder.path);
  // The others are added while the first is being written.
  await Promise.all([full, full + 1, full + 2].map((at) => timeline.add(change(at))));
  const lines = await linesOf(file);
  for (const at of [full, full + 1, full + 2])
    expect(lines.filter((line) => line === JSON.stringify(change(at)))).toHaveLength(1);
  expect(lines.length).toBeLessThan(full * 0.6);
  expect(timeline.changes.slice(-3).map(({ at }) => at)).toEqual([full, full + 1, full + 2]);
  const again = await openTimeline(file, () => undefined);
  expect(again.changes).toEqual(timeline.changes);
});

it('discards nothing while a full file cannot be rewritten', async () => {
  await using folder = await tempFolder();
  const { file, timeline } = await openFull(folder.path);
  await unlink(file);
  // A folder in its place: the new file cannot be renamed to it.
  await mkdir(file);
  for (const at of [full, full + 1, full + 2])
    await expect(timeline.add(change(at))).rejects.toThrow('timeline.jsonl');
  expect(timeline.changes).toHaveLength(full + 3);
  await rmdir(file);
  await timeline.add(change(full + 3));
  expect(timeline.changes).toHaveLength(full / 2 + 2);
  const changes = (await linesOf(file)).filter((line) => line.includes('"is":"change"'));
  expect(changes).toHaveLength(full / 2 + 2);
  expect(new Set(changes).size).toBe(full / 2 + 2);
});
