import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { openDataset, readDataset } from '../../../calibration/dataset/dataset.ts';
import { revisionOf } from '../../../calibration/dataset/frame.ts';
import { readJournal } from '../../../calibration/dataset/journal.ts';
import { apply, emptyState } from '../../../calibration/dataset/state.ts';
import type { Image } from '../../../models/image.ts';
import { decodePicture } from '../../../models/prepare/decode.ts';
import { tempFolder } from '../../models/temp-folder.ts';

function flatImage(value: number, width = 6, height = 4): Image {
  return { width, height, data: new Uint8Array(width * height * 3).fill(value) };
}

async function open(storage: string) {
  const notices: string[] = [];
  const dataset = await openDataset(storage, { onNotice: (text) => notices.push(text) });
  return Object.assign(dataset, { notices });
}

/** All images in the folders of labels, as read by ImageFolder. */
async function imageFolder(storage: string): Promise<string[]> {
  const folder = join(storage, 'dataset');
  const labels = (await readdir(folder, { withFileTypes: true })).filter(
    (entry) => entry.isDirectory() && !entry.name.startsWith('.'),
  );
  const found = await Promise.all(
    labels.map(async ({ name }) =>
      (await readdir(join(folder, name))).map((file) => join(folder, name, file)),
    ),
  );
  return found.flat().sort();
}

test('a labelled image is stored once, in the folder of its label, with person and time', async () => {
  await using folder = await tempFolder();
  await using dataset = await open(folder.path);
  const facts = { by: 'anna', partId: 'A-1', camera: 'top', capturedAt: '2026-11-24T06:00:00.000Z' };
  const { id, outcome } = await dataset.add({ image: flatImage(1), label: ' good ', ...facts });
  expect(outcome).toBe('added');
  expect(await dataset.add({ image: flatImage(1), label: 'good', by: 'ben' })).toEqual({
    id,
    outcome: 'same',
  });
  expect(await dataset.add({ image: flatImage(1, 4, 6), label: 'good', by: 'ben' })).toMatchObject({
    outcome: 'added',
  });
  const [first] = dataset.frames;
  expect(first).toMatchObject({ id, label: 'good', labelledBy: 'anna', partId: 'A-1', camera: 'top' });
  expect(first!.file).toBe(join(folder.path, 'dataset', 'good', `${id}.png`));
  expect((await decodePicture(await readFile(first!.file))).data).toEqual(Buffer.from(flatImage(1).data));
  expect(await imageFolder(folder.path)).toHaveLength(2);
});

test('relabelling, removing and undoing move the image, and persist after a restart', async () => {
  await using folder = await tempFolder();
  const revisions: string[] = [];
  {
    await using dataset = await open(folder.path);
    const note = () => revisions.push(dataset.revision);
    const { id: a } = await dataset.add({ image: flatImage(1), label: 'good', by: 'anna' });
    const { id: b } = await dataset.add({ image: flatImage(2), label: 'good', by: 'anna' });
    note();
    await dataset.relabel([a, b], 'scratch', { by: 'ben' });
    note();
    await dataset.remove([a], { by: 'ben' });
    note();
    expect((await imageFolder(folder.path)).map((file) => file.split('/').at(-2))).toEqual(['scratch']);
  }
  await using dataset = await open(folder.path);
  expect(dataset.revision).toBe(revisions[2]);
  expect(await dataset.undo({ by: 'ben' })).toMatchObject({ change: { kind: 'remove', by: 'ben' } });
  expect(dataset.revision).toBe(revisions[1]);
  expect(await dataset.undo({ by: 'ben' })).toMatchObject({ change: { kind: 'relabel' } });
  expect(dataset.revision).toBe(revisions[0]);
  expect(dataset.frames.every(({ file, labelledBy }) => existsSync(file) && labelledBy === 'anna')).toBe(
    true,
  );
  const nothing = { code: 'nothing-to-undo' };
  await expect(dataset.undo({ by: 'ben' })).rejects.toMatchObject(nothing);
  await dataset.undo({ by: 'anna' });
  await dataset.undo({ by: 'anna' });
  await expect(dataset.undo({ by: 'anna' })).rejects.toMatchObject(nothing);
  expect(dataset.frames).toEqual([]);
  expect(await imageFolder(folder.path)).toEqual([]);
  expect(dataset.notices).toEqual([]);
});

test('a label with a slash or an emoji is stored unchanged; 300 characters and other invalid labels are refused', async () => {
  await using folder = await tempFolder();
  {
    await using dataset = await open(folder.path);
    for (const [value, label] of ['a/b', 'Riß 🙂', '50 %', 'CON:1', '%2F'].entries()) {
      await dataset.add({ image: flatImage(value), label, by: 'anna' });
    }
    const refused = (label: string) =>
      expect(dataset.add({ image: flatImage(9), label, by: 'anna' })).rejects.toMatchObject({
        code: 'label-invalid',
      });
    await refused('x'.repeat(300));
    await refused(' ');
    await refused('..');
    await refused('a\nb');
    await expect(dataset.relabel(['0'.repeat(64)], 'good', { by: 'anna' })).rejects.toMatchObject({
      code: 'frame-unknown',
    });
  }
  await using dataset = await open(folder.path);
  expect(dataset.frames.map(({ label }) => label)).toEqual(['a/b', 'Riß 🙂', '50 %', 'CON:1', '%2F']);
  expect(dataset.frames.every(({ file }) => existsSync(file))).toBe(true);
});

test('there is one writer; a reader needs no lock; the lock of an ended process is replaced', async () => {
  await using folder = await tempFolder();
  {
    await using dataset = await open(folder.path);
    await dataset.add({ image: flatImage(1), label: 'good', by: 'anna' });
    await expect(open(folder.path)).rejects.toMatchObject({ code: 'dataset-busy' });
    expect((await readDataset(folder.path, () => undefined)).revision).toBe(dataset.revision);
  }
  const lock = join(folder.path, 'dataset', '.lock');
  // The parent process runs, but its start time differs from the lock.
  for (const stale of ['999999999 1', `${process.ppid} 1`, `${process.pid} 1`, 'nonsense', '']) {
    await writeFile(lock, stale);
    await (await open(folder.path))[Symbol.asyncDispose]();
  }
});

test('after a cut of the journal at any position, earlier changes are read and new ones can be added', async () => {
  await using folder = await tempFolder();
  const journal = join(folder.path, 'dataset', 'labels.jsonl');
  const ends: number[] = [0];
  {
    await using dataset = await open(folder.path);
    for (let i = 0; i < 3; i++) {
      await dataset.add({ image: flatImage(i), label: 'good', by: 'anna' });
      ends.push((await readFile(journal)).length);
    }
  }
  const whole = await readFile(journal);
  const cuts = Array.from({ length: whole.length + 1 }, (_, at) => at);
  for (const at of cuts) {
    await writeFile(journal, whole.subarray(0, at));
    const { frames } = await readDataset(folder.path, () => undefined);
    expect(frames).toHaveLength(ends.filter((end) => end > 0 && end <= at).length);
  }
  await writeFile(journal, whole.subarray(0, ends[2]! + 5));
  await using dataset = await open(folder.path);
  expect(dataset.frames).toHaveLength(2);
  // The change in the torn line was never acknowledged: its image is not among the labelled ones.
  expect(await imageFolder(folder.path)).toHaveLength(2);
  expect(dataset.notices.join()).toContain('set aside');
  await dataset.add({ image: flatImage(2), label: 'scratch', by: 'anna' });
  expect((await readDataset(folder.path, () => undefined)).frames).toHaveLength(3);
});

test('a damaged line, a moved image and a missing one affect no other frames', async () => {
  await using folder = await tempFolder();
  const journal = join(folder.path, 'dataset', 'labels.jsonl');
  {
    await using dataset = await open(folder.path);
    for (let i = 0; i < 4; i++) await dataset.add({ image: flatImage(i), label: 'good', by: 'anna' });
    const [first, second] = dataset.frames;
    await mkdir(join(folder.path, 'dataset', 'elsewhere'));
    await rename(first!.file, join(folder.path, 'dataset', 'elsewhere', `${first!.id}.png`));
    await rm(second!.file);
  }
  await appendFile(journal, '{"schema":1,"kind":"lab\n');
  await using dataset = await open(folder.path);
  expect(dataset.frames).toHaveLength(3);
  expect(dataset.frames.every(({ file }) => existsSync(file))).toBe(true);
  expect(dataset.notices).toEqual([
    expect.stringContaining('line 5 is damaged'),
    expect.stringContaining('1 labelled images are missing'),
  ]);
});

test('a process killed at any moment loses at most its current change', {
  timeout: 240_000,
}, async () => {
  await using folder = await tempFolder();
  const script = fileURLToPath(new URL('./storm.js', import.meta.url));
  let before = revisionOf([]);
  let changes = 0;
  for (let round = 0; round < 200; round++) {
    const child = spawn(process.execPath, [script, folder.path, String(round * 10_000)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    const first = new Promise<void>((resolve) =>
      child.stdout.on('data', (text) => {
        said += text;
        resolve();
      }),
    );
    await Promise.race([first, new Promise((resolve) => child.once('exit', resolve))]);
    await new Promise((resolve) => setTimeout(resolve, randomInt(40)));
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await gone;

    const lines = said.split('\n').slice(0, -1);
    expect(lines[0]).toBe(`try ${before}`);
    const [word, revision] = lines.at(-1)!.split(' ');
    changes += lines.filter((line) => line.startsWith('done')).length;

    await using dataset = await open(folder.path);
    // `try` is printed before a change begins: after `done` nothing may differ, after `try` at most that one change.
    if (word === 'done') expect(dataset.revision).toBe(revision);
    else expect(await changesAfter(folder.path, revision!)).toBeLessThanOrEqual(1);
    before = dataset.revision;
    const files = await imageFolder(folder.path);
    expect(files).toEqual(dataset.frames.map(({ file }) => file).sort());
    expect(dataset.notices.filter((text) => !text.includes('set aside'))).toEqual([]);
    if (round % 20 === 0) for (const file of files) expect((await sharp(file).metadata()).width).toBe(4);
  }
  expect(changes).toBeGreaterThan(200);
});

/** Number of changes in the journal after this revision. */
async function changesAfter(storage: string, revision: string): Promise<number> {
  const { changes } = await readJournal(join(storage, 'dataset', 'labels.jsonl'), () => undefined);
  const state = emptyState();
  const revisions = [revisionOf([])];
  for (const one of changes) {
    apply(state, one);
    revisions.push(revisionOf(state.entries.values()));
  }
  const at = revisions.lastIndexOf(revision);
  expect(at, 'an acknowledged change is gone').toBeGreaterThanOrEqual(0);
  return revisions.length - 1 - at;
}
