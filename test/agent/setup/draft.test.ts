import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openDraft } from '../../../agent/setup/draft.ts';
import { tempFolder } from '../../models/temp-folder.ts';

const template = `station: press-3
cameras: { top: { url: "rtsp://127.0.0.1/a" } }
mqtt: { url: "mqtt://127.0.0.1:9", protocol: 3.1.1 }
`;
const set = (key: string, value: unknown) => ({ path: key.split('.'), value });
const password = (value: string) => ({ path: ['mqtt', 'passwordFile'], value });

async function openRig() {
  const folder = await tempFolder();
  const at = (name: string) => join(folder.path, name);
  await mkdir(at('secrets'));
  await writeFile(at('secrets/mqtt'), 'old\n', { mode: 0o640 });
  const file = at('agent.yaml');
  const draft = await openDraft({ file, env: {}, template });
  return { at, file, draft, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

it('keeps another password that a file had before', async () => {
  await using rig = await openRig();
  const { at, draft } = rig;
  const changes = [set('mqtt.username', 'press-3')];
  const { hash } = await draft.change({ hash: draft.view().hash, changes, secrets: [password('new')] });
  await draft.change({ hash, changes: [], secrets: [password('new')] });
  expect(await readFile(at('secrets/mqtt'), 'utf8')).toBe('new\n');
  const [, copy = '', ...more] = (await readdir(at('secrets'))).sort();
  expect([copy, more]).toEqual([expect.stringMatching(/^mqtt\.\d{4}-\d\d-\d\dT\d{6}\.\d{3}Z$/), []]);
  expect(await readFile(at(`secrets/${copy}`), 'utf8')).toBe('old\n');
  for (const name of ['mqtt', copy]) expect((await stat(at(`secrets/${name}`))).mode & 0o777).toBe(0o600);
});

it('restores the password when it refuses a change', async () => {
  await using rig = await openRig();
  const { at, draft } = rig;
  const changes = [set('station', 'press-4')];
  const changed = draft.change({ hash: draft.view().hash, changes, secrets: [password('new')] });
  await expect(changed).rejects.toMatchObject({ code: 'config-invalid' });
  expect(await readdir(at('secrets'))).toEqual(['mqtt']);
  expect(await readFile(at('secrets/mqtt'), 'utf8')).toBe('old\n');
  expect((await stat(at('secrets/mqtt'))).mode & 0o777).toBe(0o640);
});

it('finishes after the changes that were requested before, and takes none afterwards', async () => {
  await using rig = await openRig();
  const { at, file, draft } = rig;
  const request = { hash: draft.view().hash, changes: [set('station', 'press-4')], secrets: [] };
  const changed = draft.change(request);
  await draft.finish();
  await changed;
  expect(await readFile(file, 'utf8')).toBe(template.replace('press-3', 'press-4'));
  await expect(draft.change({ ...request, hash: draft.view().hash })).rejects.toMatchObject({
    code: 'setup-finished',
  });
  expect((await readdir(at('.'))).sort()).toEqual(['agent.yaml', 'secrets']);
});

it('reports an earlier draft that cannot be read', async () => {
  await using rig = await openRig();
  const { file } = rig;
  await mkdir(`${file}.setup`);
  await expect(openDraft({ file, env: {}, template })).rejects.toMatchObject({ code: 'config-not-writable' });
});
