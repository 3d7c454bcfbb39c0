/** A change that fails leaves the file and the passwords as they were. */
import { writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { hashOf } from '../../../agent/settings/file.ts';
import { LiveConfig } from '../../../agent/settings/live-config.ts';
import { createSettings } from '../../../agent/settings/settings.ts';
import { loadText } from '../../../config/load.ts';
import { tempFolder } from '../../models/temp-folder.ts';

const text = `station: press-3
cameras: { top: { url: "rtsp://inspector@127.0.0.1/a" } }
mqtt: { url: "mqtt://127.0.0.1:9", username: press-3, passwordFile: ./secrets/mqtt }
labels: { good: [good] }
`;

async function openRig() {
  const folder = await tempFolder();
  const at = (name: string) => join(folder.path, name);
  await mkdir(at('secrets'));
  await writeFile(at('secrets/mqtt'), 'before\n', { mode: 0o640 });
  const file = at('agent.yaml');
  await writeFile(file, text);
  const live = new LiveConfig(loadText({ file, text }, {}).config);
  const settings = createSettings({ file, env: {}, live, restart: () => undefined });
  return {
    file,
    live,
    change: () =>
      settings.change({
        hash: hashOf(text),
        changes: [{ path: ['labels', 'good'], value: ['fine'] }],
        secrets: ['mqtt', 'cameras.top'].map((section) => ({
          path: [...section.split('.'), 'passwordFile'],
          value: 'after',
        })),
      }),
    async secrets() {
      const names = (await readdir(at('secrets'))).sort();
      const values = await Promise.all(names.map((name) => readFile(at(`secrets/${name}`), 'utf8')));
      const mode = (await stat(at('secrets/mqtt'))).mode & 0o777;
      return { ...Object.fromEntries(names.map((name, index) => [name, values[index]])), mode };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
const before = { mqtt: 'before\n', mode: 0o640 };

it('writes the passwords of a change that succeeds', async () => {
  await using rig = await openRig();
  await rig.change();
  expect(await rig.secrets()).toEqual({ mqtt: 'after\n', 'cameras-top': 'after\n', mode: 0o600 });
});

it('restores the passwords if an editor has written the file meanwhile', async () => {
  await using rig = await openRig();
  const changed = rig.change();
  // The change has read the file and waits for the disk.
  for (let turn = 0; turn < 10; turn++) await null;
  const edited = `${text}# by an editor\n`;
  writeFileSync(rig.file, edited);
  await expect(changed).rejects.toMatchObject({
    code: 'config-changed',
    message: expect.stringContaining('meanwhile'),
  });
  expect(await rig.secrets()).toEqual(before);
  expect(await readFile(rig.file, 'utf8')).toBe(edited);
});

it('restores the passwords if the file cannot be written', async () => {
  await using rig = await openRig();
  await mkdir(`${rig.file}.draft`);
  await expect(rig.change()).rejects.toMatchObject({ code: 'config-not-writable' });
  expect(await rig.secrets()).toEqual(before);
  expect(await readFile(rig.file, 'utf8')).toBe(text);
});

it('restores the passwords and the file if a part of the agent refuses a value', async () => {
  await using rig = await openRig();
  let applied = 0;
  rig.live.takesLive(['labels'], () => {
    applied++;
    if (applied === 1) throw new Error('a part refuses');
  });
  await expect(rig.change()).rejects.toThrow('a part refuses');
  expect(applied).toBe(2);
  expect(await rig.secrets()).toEqual(before);
  expect(await readFile(rig.file, 'utf8')).toBe(text);
});
