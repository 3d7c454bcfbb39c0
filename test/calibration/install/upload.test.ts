import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { receive } from '../../../calibration/install/upload.ts';
import { unpack } from '../../../models/hubs/pull/unpack.ts';
import { tempFolder } from '../../models/temp-folder.ts';

const { signal } = new AbortController();

it('an upload that pauses for too long is ended, and leaves nothing', async () => {
  await using folder = await tempFolder();
  const body = new Readable({ read: () => undefined });
  body.push(Buffer.alloc(100));
  const deps = {
    storageDirectory: folder.path,
    minFreeBytes: 0,
    signal,
    onBytes: () => undefined,
    pauseMs: 50,
  };
  await expect(receive(body, 'a.pth', 1_000, deps)).rejects.toMatchObject({
    code: 'http-invalid',
    message: 'the upload of a.pth was interrupted',
    cause: expect.objectContaining({ message: 'no byte arrived for 0.05 s' }),
  });
  const [bases] = await readdir(folder.path);
  const left = await readdir(join(folder.path, bases!), { recursive: true });
  expect(left.filter((name) => name.includes('upload-'))).toEqual([]);
});

it('an archive is not unpacked onto a disk that it would fill', async () => {
  await using folder = await tempFolder();
  const path = (name: string) => join(folder.path, name);
  await writeFile(path('a.bin'), Buffer.alloc(1_000_000));
  await promisify(execFile)('tar', ['-czf', path('a.tar.gz'), '-C', folder.path, 'a.bin']);
  await mkdir(path('out'));
  const limits = { maxBytes: 2_000_000, signal };
  await expect(
    unpack(path('a.tar.gz'), path('out'), { ...limits, minFreeBytes: 1e18 }),
  ).rejects.toMatchObject({ code: 'disk-too-small' });
  expect(await readdir(path('out'))).toEqual([]);
  await unpack(path('a.tar.gz'), path('out'), { ...limits, minFreeBytes: 0 });
  expect(await readdir(path('out'))).toEqual(['a.bin']);
});
