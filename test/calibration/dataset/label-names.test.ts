import { appendFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { backup } from '../../../agent/backup/backup.ts';
import { restore } from '../../../agent/backup/restore.ts';
import { openDataset, readDataset } from '../../../calibration/dataset/dataset.ts';
import type { Change } from '../../../calibration/dataset/journal.ts';
import { importImages } from '../../../calibration/import/import.ts';
import { openSource } from '../../../calibration/import/source.ts';
import { modelSchema } from '../../../config/model-schema.ts';
import { storageSchema } from '../../../config/schema.ts';
import type { Image } from '../../../models/image.ts';
import { tempFolder } from '../../models/temp-folder.ts';

const image = (value: number): Image => ({ width: 6, height: 4, data: new Uint8Array(72).fill(value) });

async function open(storage: string, labels: readonly string[] = []) {
  const notices: string[] = [];
  const dataset = await openDataset(storage, { labels, onNotice: (text) => notices.push(text) });
  return Object.assign(dataset, { notices });
}

const foldersOf = async (storage: string) =>
  (await readdir(join(storage, 'dataset'))).filter((name) => !/^\.|\.jsonl/.test(name)).sort();
const journalOf = (storage: string) => join(storage, 'dataset', 'labels.jsonl');

/** Adds lines of an earlier version to a journal. */
async function journal(storage: string, changes: readonly object[]): Promise<void> {
  const at = '2026-11-24T07:00:00.000Z';
  const lines = changes.map((change) => `${JSON.stringify({ schema: 1, at, by: 'anna', ...change })}\n`);
  await appendFile(journalOf(storage), lines.join(''));
}

const odd = [
  '🙂'.repeat(64),
  'labels.jsonl',
  'LABELS.jsonl',
  '..',
  '.trash',
  'go\u200bod',
  '\u202edoog',
  'Good',
];

test('a label that cannot be stored is refused before anything is written, and the dataset stays writable', async () => {
  await using folder = await tempFolder();
  {
    await using dataset = await open(folder.path);
    const { id } = await dataset.add({ image: image(1), label: 'good', by: 'anna' });
    const before = await readFile(journalOf(folder.path), 'utf8');
    for (const label of odd) {
      const invalid = { code: 'label-invalid' };
      await expect(dataset.add({ image: image(2), label, by: 'anna' })).rejects.toMatchObject(invalid);
      await expect(dataset.relabel([id], label, { by: 'anna' })).rejects.toMatchObject(invalid);
    }
    expect(await readFile(journalOf(folder.path), 'utf8')).toBe(before);
    await dataset.relabel([id], 'scratch', { by: 'anna' });
  }
  await using dataset = await open(folder.path);
  expect([dataset.frames.map(({ label }) => label), dataset.notices]).toEqual([['scratch'], []]);
  expect(await foldersOf(folder.path)).toEqual(['scratch']);
});

test('a change that the disk refuses leaves everything as it was', async () => {
  await using folder = await tempFolder();
  await using dataset = await open(folder.path);
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) {
    ids.push((await dataset.add({ image: image(i), label: 'good', by: 'anna' })).id);
  }
  const { revision } = dataset;
  // Something of this name is there, and no folder.
  await writeFile(join(folder.path, 'dataset', 'dent'), '');
  const failed = { code: 'dataset-write-failed' };
  await expect(dataset.relabel(ids, 'dent', { by: 'anna' })).rejects.toMatchObject(failed);
  await expect(dataset.add({ image: image(9), label: 'dent', by: 'anna' })).rejects.toMatchObject(failed);
  // Nothing can be written that could not be read again.
  await expect(dataset.relabel(ids, 'scratch', { by: 'x'.repeat(201) })).rejects.toMatchObject({
    code: 'internal',
  });
  expect(dataset.revision).toBe(revision);
  expect((await readDataset(folder.path, (text) => expect.fail(text))).revision).toBe(revision);
  for (const { file } of dataset.frames) await readFile(file);
  expect(await foldersOf(folder.path)).toEqual(['dent', 'good']);
  await dataset.remove(ids, { by: 'anna' });
  expect(await dataset.undo({ by: 'anna' })).toMatchObject({ change: { kind: 'remove' } });
});

test('a dataset with such labels is repaired when it is opened, and its backup can be restored', async () => {
  await using folder = await tempFolder();
  const storage = join(folder.path, 'storage');
  let ids: string[] = [];
  {
    await using dataset = await open(storage);
    for (let i = 0; i < 4; i++) await dataset.add({ image: image(i), label: 'good', by: 'anna' });
    ids = dataset.frames.map(({ id }) => id);
  }
  await journal(storage, [
    { kind: 'relabel', ids: [ids[0]!], label: '🙂'.repeat(64) },
    { kind: 'relabel', ids: [ids[1]!], label: 'labels.jsonl' },
    { kind: 'relabel', ids: [ids[2]!], label: 'scratch' },
    { kind: 'relabel', ids: [ids[3]!], label: '..' },
    // Undoes the previous one, which had no effect, and nothing else.
    { kind: 'undo' },
  ] satisfies Partial<Change>[]);

  const expected = ['good', 'good', 'scratch', 'good'];
  const configFile = join(folder.path, 'agent.yaml');
  await writeFile(configFile, 'station: s\n');
  const configFor = (directory: string) => ({
    station: 's',
    model: modelSchema.parse({}),
    storage: storageSchema.parse({ directory }),
  });
  const notices: string[] = [];
  const deps = {
    version: '0',
    signal: new AbortController().signal,
    onNotice: (text: string) => void notices.push(text),
  };
  const target = join(folder.path, 'backup.zip');
  // The damaged journal, before it was opened.
  await backup(configFor(storage), { configFile, target }, deps);
  const restored = join(folder.path, 'restored');
  await restore(configFor(restored), target, deps);

  for (const directory of [storage, restored]) {
    {
      await using dataset = await open(directory);
      expect(dataset.frames.map(({ label }) => label)).toEqual(expected);
      for (const { file } of dataset.frames) await readFile(file);
      expect(dataset.notices).toEqual([
        expect.stringMatching(/line 5 has a label that cannot be stored.*256 bytes/),
        expect.stringMatching(/line 6 .*a file or folder of this name/),
        expect.stringMatching(/line 8 .*dot/),
      ]);
      await dataset.add({ image: image(9), label: 'dent', by: 'ben' });
    }
    expect((await readDataset(directory, () => undefined)).frames).toHaveLength(5);
  }
});

test('the folder of a label is deleted with its last image, also empty folders of an earlier version', async () => {
  await using folder = await tempFolder();
  {
    await using dataset = await open(folder.path);
    const { id } = await dataset.add({ image: image(1), label: 'good', by: 'anna' });
    for (let i = 0; i < 100; i++) await dataset.relabel([id], `defect ${i}`, { by: 'anna' });
    expect(await foldersOf(folder.path)).toEqual(['defect 99']);
    await dataset.undo({ by: 'anna' });
    expect(await foldersOf(folder.path)).toEqual(['defect 98']);
    await dataset.remove([id], { by: 'anna' });
    expect(await foldersOf(folder.path)).toEqual([]);
    await dataset.undo({ by: 'anna' });
  }
  for (let i = 0; i < 20; i++) await mkdir(join(folder.path, 'dataset', `left ${i}`));
  await using dataset = await open(folder.path);
  expect([await foldersOf(folder.path), dataset.frames.length]).toEqual([['defect 98'], 1]);
});

test('names reserved by Windows are stored in folders with a valid name', async () => {
  await using folder = await tempFolder();
  {
    await using dataset = await open(folder.path);
    for (const [i, label] of ['i.O.', 'NUL', 'aux.b'].entries()) {
      await dataset.add({ image: image(i), label, by: 'anna' });
    }
    expect(await foldersOf(folder.path)).toEqual(['%4EUL', '%61ux.b', 'i.O%2E']);
  }
  // The folder name of an earlier version.
  await rename(join(folder.path, 'dataset', 'i.O%2E'), join(folder.path, 'dataset', 'i.O.'));
  await using dataset = await open(folder.path);
  expect([dataset.frames.length, dataset.notices]).toEqual([3, []]);
  expect(await foldersOf(folder.path)).toEqual(['%4EUL', '%61ux.b', 'i.O%2E']);
});

test('an import refuses another spelling of a good label, and names every image whose label is refused', async () => {
  await using folder = await tempFolder();
  const pictures = join(folder.path, 'pictures');
  const { default: sharp } = await import('sharp');
  for (const [i, label] of ['Good', 'good', 'go\u200bod', 'scratch', 'labels.jsonl'].entries()) {
    await mkdir(join(pictures, label), { recursive: true });
    const create = { width: 8, height: 6, channels: 3, background: { r: 20 + i, g: 20, b: 30 } } as const;
    await sharp({ create })
      .png()
      .toFile(join(pictures, label, 'a.png'));
  }
  await using source = await openSource(pictures);
  await using dataset = await open(join(folder.path, 'storage'), ['good']);
  const options = { by: 'import', good: ['good'] };
  for (const map of [new Map(), new Map([['Good', 'Good']])]) {
    await expect(importImages(source, dataset, { ...options, map })).rejects.toMatchObject({
      code: 'label-ambiguous',
      message: '"Good" (1 image) differs only in spelling from "good", which means good',
      remedy: expect.stringContaining('--map Good=good'),
    });
    expect(dataset.frames).toEqual([]);
  }
  const { skipped } = await importImages(source, dataset, { ...options, map: new Map([['Good', 'good']]) });
  expect(skipped.map(({ file, reason }) => [file, reason])).toEqual([
    ['go\u200bod/a.png', expect.stringContaining('U+200B')],
    ['labels.jsonl/a.png', expect.stringContaining('the dataset has a file or folder of this name')],
  ]);
  expect(await foldersOf(join(folder.path, 'storage'))).toEqual(['good', 'scratch']);
});
