import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { openDataset, readDataset } from '../../../calibration/dataset/dataset.ts';
import { labelUsers, previewLabelChange } from '../../../calibration/dataset/label-change.ts';
import { inWords, undoView } from '../../../calibration/dataset/undo-view.ts';
import type { Image } from '../../../models/image.ts';
import { tempFolder } from '../../models/temp-folder.ts';

const anna = { by: 'anna' };
const ben = { by: 'ben' };
/** One name and two browsers, without a log-in. */
const left = { by: 'operator', client: 'browser-left' };
const right = { by: 'operator', client: 'browser-right' };

const image = (value: number): Image => ({ width: 6, height: 4, data: new Uint8Array(72).fill(value) });
const open = (storage: string) => openDataset(storage, { onNotice: (text) => expect.fail(text) });

for (const [who, one, other] of [
  ['people', anna, ben],
  ['browsers', left, right],
] as const) {
  test(`undo reverts only changes of the same person, and names them before: two ${who}`, async () => {
    await using folder = await tempFolder();
    {
      await using dataset = await open(folder.path);
      const facts = { camera: 'top', capturedAt: '2026-11-24T06:00:00.000Z' };
      const partId = `top A-17 ${facts.capturedAt}`;
      await dataset.add({ image: image(1), label: 'good', ...one, partId, ...facts });
      await dataset.add({ image: image(2), label: 'scratch', ...other });
      expect(undoView(dataset, one)).toMatchObject({ words: 'label good on part A-17', overtakenBy: null });
    }
    // The authors of changes persist after a restart.
    await using dataset = await open(folder.path);
    const { frames } = dataset;
    const undone = await dataset.undo(one, dataset.undoable(one)!.line);
    expect(inWords(undone, frames)).toBe('label good on part A-17');
    expect(dataset.frames).toMatchObject([{ label: 'scratch' }]);
    await expect(dataset.undo(one)).rejects.toMatchObject({ code: 'nothing-to-undo' });
    await dataset.undo(other);
    expect(dataset.frames).toEqual([]);
  });
}

test('a frame changed later by another person is not reverted, and the person is named', async () => {
  await using folder = await tempFolder();
  await using dataset = await open(folder.path);
  const { id: a } = await dataset.add({ image: image(1), label: 'good', ...anna });
  const { id: b } = await dataset.add({ image: image(2), label: 'good', ...anna });
  await dataset.relabel([a, b], 'scratch', anna);
  await dataset.relabel([b], 'dent', ben);
  expect(undoView(dataset, anna)).toMatchObject({
    words: 'label scratch instead of good on 2 frames',
    overtakenBy: 'ben',
  });
  await expect(dataset.undo(anna)).rejects.toMatchObject({
    code: 'undo-overtaken',
    message: expect.stringMatching(/^ben has changed it since/),
  });
  expect(dataset.frames.map(({ label }) => label)).toEqual(['scratch', 'dent']);
  // It can be undone when the later change was undone.
  await dataset.undo(ben);
  const { line } = dataset.undoable(anna)!;
  await expect(dataset.undo(anna, line - 1)).rejects.toMatchObject({ code: 'undo-overtaken' });
  await dataset.undo(anna, line);
  expect(dataset.frames.map(({ label }) => label)).toEqual(['good', 'good']);
});

test('alternating changes and undos of two people are read back correctly', async () => {
  await using folder = await tempFolder();
  await using dataset = await open(folder.path);
  for (let i = 0; i < 40; i++) {
    const who = i % 3 === 0 ? anna : ben;
    await dataset.add({ image: image(i), label: i % 2 ? 'good' : 'scratch', ...who });
    if (i % 4 === 3) await dataset.relabel([dataset.frames.at(-1)!.id], 'dent', i % 8 === 3 ? anna : ben);
    if (i % 5 === 4) await dataset.undo(i % 2 ? anna : ben).catch(() => undefined);
    const read = await readDataset(folder.path, (text) => expect.fail(text));
    expect(read.revision).toBe(dataset.revision);
    for (const one of [anna, ben]) expect(read.undoable(one)).toEqual(dataset.undoable(one));
    for (const { file } of dataset.frames) expect(existsSync(file)).toBe(true);
  }
});

test('a journal of an earlier version, whose undo names no change, is read as before', async () => {
  await using folder = await tempFolder();
  {
    await using dataset = await open(folder.path);
    await dataset.add({ image: image(1), label: 'good', ...anna });
    await dataset.add({ image: image(2), label: 'scratch', ...ben });
  }
  const line = { schema: 1, at: '2026-11-24T07:00:00.000Z', by: 'anna', kind: 'undo' };
  await appendFile(join(folder.path, 'dataset', 'labels.jsonl'), `${JSON.stringify(line)}\n`);
  const { frames } = await readDataset(folder.path, (text) => expect.fail(text));
  expect(frames).toMatchObject([{ label: 'good' }]);
});

test('a label is renamed, merged and deleted in one step each, which can be undone', async () => {
  await using folder = await tempFolder();
  const labels = async () => {
    const { counts, retired } = await readDataset(folder.path, (text) => expect.fail(text));
    const names = await readdir(join(folder.path, 'dataset'));
    expect(names.filter((name) => !/^\.|jsonl/.test(name)).sort()).toEqual([...counts.keys()].sort());
    return { ...Object.fromEntries(counts), retired: [...retired] };
  };
  await using dataset = await open(folder.path);
  for (let i = 0; i < 6; i++) {
    await dataset.add({ image: image(i), label: ['scrach', 'scratch', 'good'][i % 3]!, ...anna });
  }
  const unknown = { code: 'label-unknown' };
  await expect(dataset.rename('scrach', 'scratch', ben)).rejects.toMatchObject({ code: 'label-exists' });
  await expect(dataset.rename('scrach', 'labels.jsonl', ben)).rejects.toMatchObject({
    code: 'label-invalid',
  });
  await expect(dataset.rename('dent', 'kink', ben)).rejects.toMatchObject(unknown);
  await expect(dataset.merge('scrach', 'dent', ben)).rejects.toMatchObject(unknown);
  await expect(dataset.deleteLabel('dent', ben)).rejects.toMatchObject(unknown);

  expect(await dataset.rename('scrach', 'Kratzer', ben)).toBe(2);
  expect(await labels()).toEqual({ Kratzer: 2, scratch: 2, good: 2, retired: ['scrach'] });
  // A label may change its case.
  expect(await dataset.rename('Kratzer', 'kratzer', ben)).toBe(2);
  expect(await dataset.merge('kratzer', 'scratch', ben)).toBe(2);
  expect(dataset.frames.map(({ label }) => label).sort()).toEqual(
    [...'ggssss'].map((s) => ({ g: 'good', s: 'scratch' })[s]),
  );
  expect(dataset.frames.every(({ labelledBy }) => labelledBy === 'anna')).toBe(true);
  expect(await dataset.deleteLabel('scratch', ben)).toBe(4);
  expect(await labels()).toEqual({ good: 2, retired: ['scrach', 'Kratzer', 'kratzer', 'scratch'] });
  for (let i = 0; i < 4; i++) await dataset.undo(ben);
  expect(await labels()).toEqual({ scrach: 2, scratch: 2, good: 2, retired: ['Kratzer', 'kratzer'] });
});

test('the effects of a change of a label are listed before: frames, heads, thresholds, good or bad', () => {
  const users = labelUsers(
    {
      labels: { good: ['good'] },
      recipes: { blue: { cameras: {}, thresholds: { failByLabel: { dent: 0.3 } } } },
    },
    [
      { version: '2026-11-23.2', active: true, labels: ['good', 'dent'] },
      { version: '2026-11-23.1', active: false, labels: ['good', 'dent'] },
    ],
  );
  const counts = new Map([
    ['good', 5],
    ['dent', 3],
  ]);
  expect(previewLabelChange({ counts }, { kind: 'rename', label: 'dent', to: 'kink' }, users)).toEqual({
    frames: 3,
    others: 0,
    effects: [
      'The active version 2026-11-23.2 continues to predict "dent" until a version that is trained after this change is promoted.',
      '1 other version has the label "dent" and would predict it if promoted.',
      'Recipe blue has a fail threshold for "dent": change the configuration, too.',
    ],
  });
  expect(previewLabelChange({ counts }, { kind: 'merge', label: 'dent', to: 'good' }, users)).toMatchObject({
    others: 5,
    effects: expect.arrayContaining(['From now on these 3 frames count as good parts.']),
  });
  const refused = (to: string) => () =>
    previewLabelChange({ counts }, { kind: 'rename', label: 'good', to }, users);
  expect(refused('fine')).toThrow(expect.objectContaining({ code: 'label-configured' }));
  expect(refused('Dent')).toThrow(expect.objectContaining({ code: 'label-invalid' }));
});

test('the command line renames, merges, deletes and undoes, each with a dry run and an audit entry', {
  timeout: 60_000,
}, async () => {
  await using folder = await tempFolder();
  const config = join(folder.path, 'agent.yaml');
  await writeFile(
    config,
    'station: s\ncameras: {top: {url: "rtsp://127.0.0.1/x"}}\nmqtt: {url: "mqtt://127.0.0.1"}\nstorage: {directory: ./data}\n',
  );
  const storage = join(folder.path, 'data');
  {
    await using dataset = await open(storage);
    for (let i = 0; i < 4; i++) {
      await dataset.add({ image: image(i), label: i < 3 ? 'scrach' : 'good', ...anna });
    }
  }
  const main = fileURLToPath(new URL('../../../agent/main.js', import.meta.url));
  const run = async (...args: string[]) =>
    (await promisify(execFile)(process.execPath, [main, 'dataset', ...args, '--config', config])).stdout;
  const before = await readFile(join(storage, 'dataset/labels.jsonl'), 'utf8');
  expect(await run('rename', 'scrach', 'scratch', '--dry-run')).toBe(
    '3 frames would get the label "scratch"\nnothing was changed\n',
  );
  await expect(run('delete', 'scrach')).rejects.toMatchObject({
    code: 1,
    stdout: '3 frames labelled "scrach" would be removed\nnothing was changed\n',
  });
  expect(await readFile(join(storage, 'dataset/labels.jsonl'), 'utf8')).toBe(before);
  expect(await run('rename', 'scrach', 'scratch')).toContain('3 frames now have the label "scratch"');
  expect(await run('undo')).toBe('undone: scrach renamed to scratch (3 frames)\n');
  expect(JSON.parse(await run('merge', 'scrach', 'good', '--json'))).toMatchObject({
    done: true,
    frames: 3,
    others: 1,
  });
  const audit = (await readFile(join(storage, 'audit.jsonl'), 'utf8')).trim().split('\n');
  expect(audit.map((line) => JSON.parse(line).action)).toEqual([
    ...['label-rename', 'label-delete', 'label-rename', 'undo', 'label-merge'],
  ]);
});
