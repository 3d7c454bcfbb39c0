import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeHead } from '../../../calibration/train/write-head.ts';
import { openStore, type Store } from '../../../models/versions/store.ts';
import { tempFolder } from '../temp-folder.ts';
import { tinyManifest } from '../tiny-model.ts';

const base = tinyManifest(new Uint8Array(1));

async function add(store: Store, storage: string, day = '2026-11-23'): Promise<string> {
  const folder = join(storage, 'draft');
  const head = {
    labels: ['good', 'scratch'],
    weights: new Float64Array(16).fill(0.5),
    bias: new Float64Array(2),
    temperature: 0.5,
  };
  await writeHead(folder, head, { base, createdAt: new Date(`${day}T08:00:00Z`) });
  return store.add(folder);
}

test('versions are named after their day with a number, and persist', async () => {
  await using folder = await tempFolder();
  const store = await openStore(folder.path);
  expect([await store.active(), await store.list()]).toEqual([undefined, []]);
  const names = [];
  for (let i = 0; i < 11; i++) names.push(await add(store, folder.path));
  names.push(await add(store, folder.path, '2026-11-24'));
  expect(names.slice(0, 2)).toEqual(['2026-11-23.1', '2026-11-23.2']);
  expect(names.at(-1)).toBe('2026-11-24.1');
  await store.promote('2026-11-23.10');

  const again = await openStore(folder.path);
  expect((await again.list()).map(({ version }) => version)).toEqual(names);
  expect(await again.active()).toBe('2026-11-23.10');
  const { manifest, model } = await again.read('2026-11-23.10');
  expect(manifest).toMatchObject({ version: '2026-11-23.10', labels: ['good', 'scratch'] });
  expect(model.length).toBeGreaterThan(100);
});

test('a rollback activates the previous version, step by step', async () => {
  await using folder = await tempFolder();
  const store = await openStore(folder.path);
  const [a, b, c] = [
    await add(store, folder.path),
    await add(store, folder.path),
    await add(store, folder.path),
  ];
  await expect(store.rollback()).rejects.toMatchObject({ code: 'version-unknown' });
  for (const version of [a!, c!, c!, b!]) await store.promote(version);
  expect(await store.rollback()).toBe(c);
  expect(await store.rollback()).toBe(a);
  await expect(store.rollback()).rejects.toMatchObject({ code: 'version-unknown' });
  expect(await store.active()).toBe(a);
});

test('a damaged version is listed with its damage and refused, and the active one stays', async () => {
  await using folder = await tempFolder();
  const store = await openStore(folder.path);
  const good = await add(store, folder.path);
  const bad = await add(store, folder.path);
  await store.promote(good);
  await appendFile(join(folder.path, 'models', bad, 'head.onnx'), 'x');
  await expect(store.promote(bad)).rejects.toMatchObject({ code: 'head-damaged', exitCode: 3 });
  expect(await store.active()).toBe(good);
  const [first, second] = await store.list();
  expect(first).toMatchObject({ version: good, active: true, manifest: { version: good } });
  expect(second).toMatchObject({ version: bad, active: false, damage: expect.stringContaining('sha256') });
});

test('a folder that is not a version is ignored', async () => {
  await using folder = await tempFolder();
  const store = await openStore(folder.path);
  const draft = join(folder.path, 'models', 'draft');
  await mkdir(draft, { recursive: true });
  await expect(store.add(draft)).rejects.toMatchObject({ code: 'head-damaged' });
  await expect(store.read('../../etc')).rejects.toMatchObject({ code: 'version-unknown' });
  await expect(store.promote('2026-11-23.7')).rejects.toMatchObject({ code: 'version-unknown' });
  expect(await store.list()).toEqual([]);
});

test('an unreadable record of the active version is reported, and a promotion repairs it', async () => {
  await using folder = await tempFolder();
  const store = await openStore(folder.path);
  const version = await add(store, folder.path);
  const record = join(folder.path, 'models', 'active');
  await writeFile(record, '{"schema":1,"act');
  await expect(store.active()).rejects.toMatchObject({ code: 'head-damaged' });
  await store.promote(version);
  expect(JSON.parse(await readFile(record, 'utf8'))).toMatchObject({
    schema: 2,
    active: version,
    history: [],
  });
  expect(await readdir(join(folder.path, 'models'))).toEqual([version, 'active']);
});

test('adding copies the folder, which stays, and leaves no incomplete files', async () => {
  await using folder = await tempFolder();
  const store = await openStore(folder.path);
  await add(store, folder.path);
  expect((await readdir(join(folder.path, 'draft'))).sort()).toEqual(['head.onnx', 'manifest.json']);
  expect(await readdir(join(folder.path, 'models'))).toEqual(['2026-11-23.1']);
});
