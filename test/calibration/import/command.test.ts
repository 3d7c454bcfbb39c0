import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { tempFolder } from '../../models/temp-folder.ts';
import { images, lay, maskOf } from '../../rigs/image-folders.ts';

const main = fileURLToPath(new URL('../../../agent/main.js', import.meta.url));

test('the command line reports its interpretation, asks with exit 2, and exits with 1 if nothing was imported', {
  timeout: 60_000,
}, async () => {
  await using folder = await tempFolder();
  const at = (name: string) => join(folder.path, name);
  await writeFile(
    at('agent.yaml'),
    'station: s\ncameras: {top: {url: "rtsp://127.0.0.1/x"}}\nmqtt: {url: "mqtt://127.0.0.1"}\nstorage: {directory: ./data}\n',
  );
  await lay(at('mvtec'), {
    ...(await images('b/train/good/000.png', 'b/test/scratch/000.png')),
    'b/ground_truth/scratch/000_mask.png': await maskOf(4, 2, 3, 2),
    'b/\u001b[2Jreadme.txt': 'x',
  });
  await lay(at('flat'), await images('1.png', '2.png'));
  await lay(at('spelling'), await images('OK/3.png', 'NG/4.png'));
  const run = (...args: string[]) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((done) => {
      const all = [main, 'dataset', 'import', ...args, '--config', at('agent.yaml')];
      const child = execFile(process.execPath, all, (_error, stdout, stderr) =>
        done({ code: child.exitCode ?? -1, stdout, stderr }),
      );
    });

  const dry = await run(at('mvtec'), '--dry-run');
  expect(dry.code).toBe(0);
  expect(dry.stdout).toContain('4 files found');
  expect(dry.stdout).toContain('nothing was written: this was a dry run');
  expect(existsSync(at('data/dataset/labels.jsonl'))).toBe(false);

  const [mvtec, flat, spelling, mapped] = [
    await run(at('mvtec')),
    await run(at('flat')),
    await run(at('spelling')),
    await run(at('spelling'), '--map', 'OK=good', '--map', 'NG=scratch', '--json'),
  ];
  expect(mvtec).toMatchObject({ code: 0, stderr: '' });
  expect(mvtec.stdout.split('\n')).toEqual([
    'layout: labels from the folders, 1 masks next to the images',
    'labels: good 1 (good), scratch 1 (defect)',
    '1 images with boxes, polygons or masks, which are kept',
    '4 files found: 2 added, 0 relabelled, 0 already in the dataset, 1 masks and 0 annotation files read, 1 skipped',
    '  skipped 1: no image, and no annotations that are read',
    '    b/\ufffd[2Jreadme.txt',
    '',
  ]);
  expect(flat).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/skipped 2: lies in no folder[\s\S]*nothing was imported/),
  });
  expect(spelling).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^error: "OK" \(1 image\) would be a defect.*--map OK=good/),
  });
  expect([mapped.code, JSON.parse(mapped.stdout)]).toEqual([
    0,
    expect.objectContaining({ layout: 'folders', found: 2, added: 0, same: 2, skipped: [], total: 2 }),
  ]);
});
