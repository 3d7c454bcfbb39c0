import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import { tempFolder } from '../../models/temp-folder.ts';

const main = fileURLToPath(new URL('../../../agent/main.js', import.meta.url));

function init(cwd: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'init', ...args], {
    cwd,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}
const camera = ['--camera', 'rtsp://inspector@10.0.0.7/stream1'];

it('writes a commented configuration that is valid, and names the next command', async () => {
  await using folder = await tempFolder();
  const more = [
    '--station',
    'press-3',
    '--broker',
    'mqtt://10.0.0.2:1883',
    '--labels',
    'good,scratch,dent',
    '--yes',
  ];
  const { status, stdout } = init(folder.path, ...camera, ...more);
  expect([status, stdout]).toEqual([0, expect.stringContaining('qc-agent doctor --config agent.yaml')]);
  const file = join(folder.path, 'agent.yaml');
  const config = loadConfig(file, {});
  expect(config).toMatchObject({
    station: 'press-3',
    cameras: { top: { url: 'rtsp://inspector@10.0.0.7/stream1', trigger: { kind: 'presence' } } },
    mqtt: { url: 'mqtt://10.0.0.2:1883' },
    labels: { good: ['good'], defects: ['scratch', 'dent'] },
  });
  expect(await readFile(file, 'utf8')).toMatch(/^# The configuration of this station/);
  const again = init(folder.path, ...camera, '--yes');
  expect([again.status, again.stderr]).toEqual([1, expect.stringContaining('exists already')]);
});

it.each([
  [['--yes'], /a camera is needed — give its address with --camera/],
  [[...camera, '--station', 'press 3', '--yes'], /station.*letters, digits/],
  [['--camera', 'http://10.0.0.7/', '--yes'], /cameras\.top\.url.*rtsp:/],
  [['--camera', 'rtsp://u:hunter2@10.0.0.7/', '--yes'], /contains a password/],
  [[...camera, '--labels', 'good,,', '--yes'], /commas between/],
  [[...camera, '--labels', 'good,Good', '--yes'], /labels/],
  [[...camera, '--broker', 'http://b', '--yes'], /mqtt\.url/],
])('refuses %j and writes nothing', async (args, why) => {
  await using folder = await tempFolder();
  await mkdir(join(folder.path, 'here'));
  const { status, stderr } = init(folder.path, ...args);
  expect([status, stderr]).toEqual([2, expect.stringMatching(why)]);
  expect(stderr).not.toContain('hunter2');
  expect(await readdir(folder.path)).toEqual(['here']);
});
