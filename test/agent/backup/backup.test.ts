import { execFileSync, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { chown, cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { type BackupDeps, backup } from '../../../agent/backup/backup.ts';
import type { BackupManifest } from '../../../agent/backup/contents.ts';
import { checkBackup, restore } from '../../../agent/backup/restore.ts';
import { openDataDirectory } from '../../../agent/lifecycle/data-directory.ts';
import { finishRestore } from '../../../agent/lifecycle/finish-restore.ts';
import { openDataset, readDataset } from '../../../calibration/dataset/dataset.ts';
import { modelSchema } from '../../../config/model-schema.ts';
import { storageSchema } from '../../../config/schema.ts';
import { openZip } from '../../../models/disk/zip.ts';
import { readDecisions, recordDecision } from '../../../models/versions/decisions.ts';
import { openStore } from '../../../models/versions/store.ts';
import { plate } from '../../models/fitted-head.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { addHead } from '../../rigs/heads.ts';
import { startAgent } from '../../rigs/plant-agent.ts';

const onNotice = () => undefined;
const deps: BackupDeps = { version: '0.1.0', signal: new AbortController().signal, onNotice };
const configFor = (directory: string) => ({
  station: 'press-3',
  model: modelSchema.parse({}),
  storage: storageSchema.parse({ directory }),
});

/** Twelve labelled frames with a history, two versions, decisions and a recipe. */
async function fill(storage: string): Promise<void> {
  await mkdir(storage, { recursive: true });
  await using dataset = await openDataset(storage, { onNotice });
  const ids: string[] = [];
  for (let seed = 0; seed < 12; seed++) {
    const label = seed % 2 ? 'scratch' : 'good';
    ids.push((await dataset.add({ image: plate(label, seed, 16), label, by: 'anna' })).id);
  }
  await dataset.relabel([ids[0]!], 'dent', { by: 'ben' });
  await dataset.remove([ids[2]!], { by: 'ben' });
  await addHead(storage);
  const version = await addHead(storage, { promote: true });
  await recordDecision(storage, { by: 'anna', version, action: 'promote' });
  await writeFile(join(storage, 'recipe.json'), '{"schema":1,"recipe":"default"}\n');
}

/** The state of a storage directory that a backup must keep. */
async function state(storage: string) {
  const { revision, frames, undoable } = await readDataset(storage, (text) => expect.fail(text));
  const pictures = await Promise.all(
    frames.map(async ({ file }) => (await readFile(file)).toString('base64')),
  );
  const store = await openStore(storage);
  return {
    revision,
    frames: frames.map(({ file: _, ...facts }) => facts),
    last: [undoable({ by: 'anna' }), undoable({ by: 'ben' })],
    pictures,
    versions: await store.list(),
    active: await store.active(),
    history: await store.history(),
    decisions: await readDecisions(storage),
    recipe: await readFile(join(storage, 'recipe.json'), 'utf8'),
  };
}

describe('backup and restore', () => {
  let scratch: Awaited<ReturnType<typeof tempFolder>>;
  let storage: string;
  let file: string;
  let configFile: string;
  let before: Awaited<ReturnType<typeof state>>;
  const place = (name: string) => join(scratch.path, name);

  beforeAll(async () => {
    scratch = await tempFolder();
    storage = place('storage');
    file = place('backup.zip');
    configFile = place('agent.yaml');
    await writeFile(configFile, 'station: press-3 # as it was written\n');
    await fill(storage);
    before = await state(storage);
    await backup(configFor(storage), { configFile, target: file }, deps);
  });
  afterAll(() => scratch[Symbol.asyncDispose]());

  /** The backup with changed files; its manifest can be changed, too. */
  async function forged(
    name: string,
    change: (manifest: BackupManifest, files: Map<string, Buffer>) => void,
  ) {
    await using zip = await openZip(file, 1_000);
    const files = new Map<string, Buffer>();
    for (const path of zip.sizes.keys()) files.set(path, await buffer(await zip.open(path)));
    const manifest = JSON.parse(files.get('backup.json')!.toString()) as BackupManifest;
    files.delete('backup.json');
    change(manifest, files);
    const out = new ZipFile();
    for (const [path, content] of files) out.addBuffer(content, path);
    out.addBuffer(Buffer.from(JSON.stringify(manifest)), 'backup.json');
    out.end();
    await pipeline(out.outputStream, createWriteStream(place(name)));
    return place(name);
  }

  it('restores everything on an empty machine, undo included, and lists the content', async () => {
    const fresh = place('fresh');
    const restored = await restore(configFor(fresh), file, deps);
    expect(restored).toMatchObject({
      station: 'press-3',
      frames: 11,
      active: before.active,
      versions: before.versions.map(({ version }) => version),
    });
    expect(await state(fresh)).toEqual(before);
    await using dataset = await openDataset(fresh, { onNotice: (text) => expect.fail(text) });
    await dataset.undo({ by: 'ben' });
    expect(dataset.frames).toHaveLength(12);
    await using zip = await openZip(file, 1_000);
    expect(await buffer(await zip.open('config.yaml'))).toEqual(await readFile(configFile));
  });

  it('keeps the previous data in a folder beside it, and changes nothing else', async () => {
    const used = place('used');
    await mkdir(join(used, 'evidence'), { recursive: true });
    await writeFile(join(used, 'evidence/a.jpg'), 'a picture');
    {
      await using dataset = await openDataset(used, { onNotice });
      await dataset.add({ image: plate('good', 99, 16), label: 'other', by: 'ben' });
    }
    const restored = await restore(configFor(used), file, deps);
    expect(await state(used)).toEqual(before);
    expect(await readFile(join(used, 'evidence/a.jpg'), 'utf8')).toBe('a picture');
    const old = await readDataset(restored.before, onNotice);
    expect(old.frames).toMatchObject([{ label: 'other' }]);
  });

  it('files restored by root belong to the owner of the storage', async (ctx) => {
    if (process.getuid?.() !== 0) return ctx.skip('only root can change the owner of files');
    const used = place('service');
    await mkdir(used);
    await chown(used, 61_234, 61_234);
    await restore(configFor(used), file, deps);
    for (const name of [
      'version',
      'dataset',
      ...(await readdir(join(used, 'models'), { recursive: true })).map((one) => `models/${one}`),
    ])
      expect(await stat(join(used, name)), name).toMatchObject({ uid: 61_234, gid: 61_234 });
  });

  it('is refused while an agent runs, and changes nothing', async () => {
    const used = place('held');
    await using _agent = await openDataDirectory(used, '0.1.0');
    await expect(restore(configFor(used), file, deps)).rejects.toMatchObject({
      code: 'agent-running',
    });
    expect((await readdir(used)).sort()).toEqual(['agent.lock', 'version']);
  });

  it('a second agent on the same storage is refused, and so is data of a newer agent', async () => {
    const used = place('newer');
    {
      await using _agent = await openDataDirectory(used, '0.1.0');
      await expect(openDataDirectory(used, '0.1.0')).rejects.toMatchObject({ code: 'agent-running' });
    }
    await writeFile(join(used, 'version'), '{"schema":1,"layout":2,"since":"3.0.0"}\n');
    await expect(openDataDirectory(used, '0.1.0')).rejects.toMatchObject({
      code: 'data-newer',
      message: expect.stringContaining('written by qc-edge-agent 3.0.0'),
    });
    // An older agent can be used again with its own backup.
    await restore(configFor(used), file, deps);
    await using _agent = await openDataDirectory(used, '0.1.0');
    expect(await state(used)).toEqual(before);
  });

  it('is consistent while labels are added, changed and deleted', async () => {
    const busy = place('busy');
    await fill(busy);
    await using dataset = await openDataset(busy, { onNotice });
    const stop = new AbortController();
    const labelling = (async () => {
      for (let seed = 100; !stop.signal.aborted; seed++) {
        const { id } = await dataset.add({ image: plate('good', seed, 16), label: 'good', by: 'anna' });
        if (seed % 3 === 0) await dataset.relabel([id], 'scratch', { by: 'ben' });
        if (seed % 5 === 0) await dataset.remove([id], { by: 'ben' });
        if (seed % 7 === 0) await dataset.undo({ by: 'ben' });
        await sleep(2);
      }
    })();
    try {
      for (let n = 0; n < 4; n++) {
        const target = place(`busy-${n}.zip`);
        const saved = await backup(configFor(busy), { configFile, target }, deps);
        const fresh = place(`busy-${n}`);
        await restore(configFor(fresh), target, { ...deps, onNotice: (text) => expect.fail(text) });
        expect((await state(fresh)).frames).toHaveLength(saved.frames);
      }
    } finally {
      stop.abort();
      await labelling;
    }
  });

  it('damage at any place is detected, and nothing is changed', async () => {
    const whole = await readFile(file);
    for (let n = 0; n < 40; n++) {
      const spoilt = Buffer.from(whole);
      const at = randomInt(whole.length);
      const bit = 1 << randomInt(8);
      spoilt[at] = spoilt[at]! ^ bit;
      await writeFile(place('spoilt.zip'), n % 8 === 0 ? whole.subarray(0, at) : spoilt);
      const fresh = place('spoilt');
      const failure = await restore(configFor(fresh), place('spoilt.zip'), deps).catch((error) => error);
      // Some bits of the zip format itself (a time, an attribute) have no effect; then the data is unchanged.
      if (failure instanceof Error) {
        expect((failure as { code?: string }).code, `byte ${at}, bit ${bit}: ${failure.message}`).toMatch(
          /^backup-/,
        );
        expect(
          (await readdir(fresh).catch(() => [])).filter((name) => /restore|models|version/.test(name)),
        ).toEqual([]);
      } else expect(await state(fresh)).toEqual(before);
      await rm(fresh, { recursive: true, force: true });
    }
  });

  it.each<[string, string, (manifest: BackupManifest, files: Map<string, Buffer>) => void]>([
    [
      'another content',
      'backup-damaged',
      (_, files) => void files.set('models/active', Buffer.alloc(files.get('models/active')!.length)),
    ],
    ['a missing file', 'backup-damaged', (_, files) => void files.delete('recipe.json')],
    [
      'a way out',
      'backup-damaged',
      (manifest) => void manifest.files.push({ path: 'models/../../x', bytes: 0, sha256: 'a'.repeat(64) }),
    ],
    [
      'an absolute path',
      'backup-damaged',
      (manifest) => void manifest.files.push({ path: '/etc/x', bytes: 0, sha256: 'a'.repeat(64) }),
    ],
    [
      'another folder',
      'backup-damaged',
      (manifest) => void manifest.files.push({ path: 'outbox/x', bytes: 0, sha256: 'a'.repeat(64) }),
    ],
    ['a newer layout', 'data-newer', (manifest) => void Object.assign(manifest, { layout: 99 })],
  ])('%s is refused', async (what, code, change) => {
    const bad = await forged(`${what}.zip`, change);
    const fresh = place('forged');
    await expect(restore(configFor(fresh), bad, deps)).rejects.toMatchObject({ code });
    expect(existsSync(join(fresh, 'models'))).toBe(false);
    await rm(fresh, { recursive: true, force: true });
  });

  it('names in the zip that point outside the storage are refused', async () => {
    const bad = place('slip.zip');
    // A name of the same length, so that the rest of the archive stays valid.
    const bytes = (await readFile(file)).toString('latin1').replaceAll('recipe.json', '../../x.jso');
    await writeFile(bad, Buffer.from(bytes, 'latin1'));
    await expect(checkBackup(bad, deps)).rejects.toMatchObject({
      code: 'backup-damaged',
      message: expect.stringContaining('../../x.jso'),
    });
  });

  it('a file that is no backup, an existing file and a missing folder are refused', async () => {
    await expect(checkBackup(place('nothing.zip'), deps)).rejects.toMatchObject({
      code: 'backup-unreadable',
    });
    const to = (target: string) => backup(configFor(storage), { configFile, target }, deps);
    await expect(to(file)).rejects.toMatchObject({ code: 'backup-target' });
    await expect(to(place('no/such/folder.zip'))).rejects.toMatchObject({ code: 'backup-target' });
  });

  it('a disk that is too small is refused before anything is written', async (ctx) => {
    const small = place('small');
    await mkdir(small);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=600k', 'tmpfs', small]);
    if (mounted.status !== 0) return ctx.skip('a small disk cannot be mounted here');
    try {
      await expect(restore(configFor(small), file, deps)).rejects.toMatchObject({
        code: 'disk-too-small',
      });
      const target = join(small, 'b.zip');
      await expect(backup(configFor(storage), { configFile, target }, deps)).rejects.toMatchObject({
        code: 'disk-too-small',
      });
      expect((await readdir(small)).filter((name) => /zip|restore|models/.test(name))).toEqual([]);
    } finally {
      execFileSync('umount', [small]);
    }
  });

  it('a restore interrupted between any two steps is finished at the next start', async () => {
    const id = '01JD0000000000000000000000';
    const moves = [
      ['dataset', `before-restore-${id}/dataset`],
      [`.restore-${id}/dataset`, 'dataset'],
      ['models', `before-restore-${id}/models`],
      [`.restore-${id}/models`, 'models'],
    ] as const;
    for (let done = 0; done <= moves.length; done++) {
      const cut = place(`cut-${done}`);
      await mkdir(join(cut, 'dataset'), { recursive: true });
      await mkdir(join(cut, 'models'));
      await writeFile(join(cut, 'models/active'), 'old');
      await mkdir(join(cut, `.restore-${id}`));
      for (const part of ['dataset', 'models'])
        await cp(join(storage, part), join(cut, `.restore-${id}`, part), { recursive: true });
      await mkdir(join(cut, `before-restore-${id}`));
      for (const [from, to] of moves.slice(0, done)) await rename(join(cut, from), join(cut, to));
      await finishRestore(cut);
      expect((await readdir(cut)).sort()).toEqual([`before-restore-${id}`, 'dataset', 'models']);
      expect(await readFile(join(cut, `before-restore-${id}/models/active`), 'utf8')).toBe('old');
      expect((await readDataset(cut, onNotice)).revision).toBe(before.revision);
    }
  });

  it('from the command line it gives one answer; after a kill the data is entirely old or entirely new', async () => {
    const used = place('cli');
    await fill(used);
    {
      await using dataset = await openDataset(used, { onNotice });
      await dataset.add({ image: plate('good', 77, 16), label: 'good', by: 'ben' });
    }
    const old = (await readDataset(used, onNotice)).revision;
    const yaml = place('cli.yaml');
    await writeFile(
      yaml,
      `station: press-3\ncameras: {top: {url: rtsp://127.0.0.1:9/x}}\nstorage: {directory: ${used}}\n`,
    );
    for (const after of [300, 450, 600]) {
      await using process = startAgent(['restore', file, '--config', yaml]);
      await sleep(after);
      await process.stop('SIGKILL');
      await (await openDataDirectory(used, '0.1.0'))[Symbol.asyncDispose]();
      expect([old, before.revision]).toContain((await readDataset(used, onNotice)).revision);
    }
    await using restored = startAgent(['restore', file, '--config', yaml, '--json']);
    expect(await restored.exited).toEqual({ code: 0, signal: null });
    expect(JSON.parse(restored.stdout)).toMatchObject({ frames: 11 });
    expect((await readDataset(used, onNotice)).revision).toBe(before.revision);
    await using refused = startAgent(['backup', file, '--config', yaml]);
    expect(await refused.exited).toEqual({ code: 2, signal: null });
    expect(refused.stderr).toMatch(/^error: .* exists already — /);
  });
});
