import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { discover } from '../../../agent/setup/discovery.ts';
import { foldersWithImages, genicamCameras, videoDevices } from '../../../agent/setup/local.ts';
import { readStreams } from '../../../agent/setup/onvif.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { openOnvifDevice } from '../../rigs/onvif-device.ts';
import { until } from '../../rigs/until.ts';

const { signal } = new AbortController();
const login = { user: 'inspector', password: 'p"<&>s' };

it('finds a device by its answer to a probe, and ignores what is none', async () => {
  await using device = await openOnvifDevice({ ...login, streams: [] });
  const { devices, faults } = await discover({ signal, waitMs: 400, target: device.discovery });
  expect(devices).toEqual([{ name: 'ACME M1065 M1065', address: device.address }]);
  expect(faults).toEqual([]);
});

it('finds nothing where nobody answers', async () => {
  const { devices } = await discover({ signal, waitMs: 50, target: { address: '127.0.0.1', port: 9 } });
  expect(devices).toEqual([]);
});

it.each([0, 3_600_000, -86_400_000])(
  'reads the streams of a device whose clock is %d ms ahead, from the host that was asked',
  async (clockMs) => {
    const streams = ['rtsp://192.0.2.1:554/live?channel=1&subtype=0', 'rtsp://old:pw@192.0.2.1/live2'];
    await using device = await openOnvifDevice({ ...login, streams, clockMs });
    expect(await readStreams({ address: device.address, ...login }, signal)).toEqual([
      {
        name: 'stream 1',
        url: 'rtsp://inspector@192.0.2.1:554/live?channel=1&subtype=0',
        codec: 'H264',
        width: 1280,
        height: 720,
      },
      { name: 'stream 2', url: 'rtsp://inspector@192.0.2.1/live2', codec: 'H264', width: 640, height: 360 },
    ]);
  },
);

it('says why streams cannot be read, without the password', async () => {
  await using device = await openOnvifDevice({ ...login, streams: [] });
  const { address } = device;
  const failure = (request: Parameters<typeof readStreams>[0]) =>
    readStreams(request, signal).then(
      () => undefined,
      (error: { code: string; message: string }) => error,
    );
  expect((await failure({ address, user: 'inspector', password: 'wrong' }))?.code).toBe(
    'camera-unauthorized',
  );
  expect((await failure({ address, user: '', password: '' }))?.code).toBe('camera-unauthorized');
  const none = await failure({ address, ...login });
  expect([none?.code, none?.message]).toEqual(['onvif-failed', expect.stringContaining('no RTSP stream')]);
  const gone = await failure({ address: 'http://127.0.0.1:9/onvif', ...login });
  expect([gone?.code, gone?.message]).toEqual(['onvif-failed', expect.stringContaining('127.0.0.1:9')]);
  expect(JSON.stringify([none, gone])).not.toContain(login.password);
});

it('stops receiving an answer without end', async () => {
  let isClosed = false;
  const device = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/soap+xml' });
    const timer = setInterval(() => response.write('x'.repeat(65_536)), 5);
    response.once('close', () => {
      clearInterval(timer);
      isClosed = true;
    });
  });
  device.listen(0, '127.0.0.1');
  await once(device, 'listening');
  try {
    const address = `http://127.0.0.1:${(device.address() as AddressInfo).port}/onvif`;
    await expect(readStreams({ address, ...login }, signal)).rejects.toMatchObject({
      code: 'onvif-failed',
      message: expect.stringContaining('too long'),
    });
    await until(() => isClosed, { timeoutMs: 5_000, what: 'the end of the connection' });
  } finally {
    device.closeAllConnections();
    device.close();
  }
});

it('lists folders with images, video devices, and what Aravis finds', async () => {
  await using folder = await tempFolder();
  const at = (name: string) => join(folder.path, name);
  for (const name of ['images', 'empty', '.hidden']) await mkdir(at(name));
  for (const name of ['images/1.png', 'images/2.JPG', '.hidden/1.png', 'video0', 'video10', 'videos']) {
    await writeFile(at(name), '');
  }
  const folders = await foldersWithImages(folder.path);
  expect(folders.map(({ name, url }) => [name, url])).toEqual([['images', `file:${at('images')}`]]);
  expect(folders[0]?.note).toContain('2 images');
  expect((await videoDevices(folder.path)).map(({ address }) => address)).toEqual([
    at('video0'),
    at('video10'),
  ]);
  // The output of arv-tool 0.8 without arguments.
  await writeFile(at('arv-tool'), '#!/bin/sh\necho "Basler-acA1300-60gm-21234567 (192.168.1.20)"\n');
  await chmod(at('arv-tool'), 0o755);
  const found = await genicamCameras(signal, at('arv-tool'));
  expect(found).toMatchObject([{ name: 'Basler-acA1300-60gm-21234567', address: '192.168.1.20', url: null }]);
  expect(await genicamCameras(signal, at('missing'))).toBeUndefined();
});
