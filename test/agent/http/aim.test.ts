import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { aimRecord } from '../../../agent/http/aim-view.ts';
import { readAim } from '../../rigs/aim-stream.ts';
import { openStationRig } from '../../rigs/station.ts';
import { makeTokens } from '../../rigs/tokens.ts';
import { toldRegion as region, toldCamera } from '../../rigs/told-camera.ts';
import { until } from '../../rigs/until.ts';

it('sends state, images, signal and parts, made once for all clients, only while there are any', async () => {
  const camera = toldCamera();
  await using rig = await openStationRig({}, { aim: camera.aim });
  const url = `${rig.http.url}/api/v1/cameras/top/aim`;
  expect(camera.viewers.size).toBe(0);
  {
    await using one = await readAim(url);
    await using two = await readAim(url);
    await until(() => one.records.length > 0 && two.records.length > 0);
    expect(camera.viewers.size).toBe(1);
    expect(one.records[0]).toMatchObject({ kind: 'state', up: true, region, viewers: 1, dropped: 0 });
    camera.image(Buffer.alloc(5_000, 1));
    const mask = { width: 4, height: 3, mask: Uint8Array.from([1, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0]) };
    camera.look({ state: 'part', share: 0.4, mask });
    camera.look({ state: 'learning' });
    camera.found('top-1');
    for (const { records } of [one, two]) {
      await until(() => records.some(({ kind }) => kind === 'part'), { what: 'the part' });
      for (const { jpeg: _, ...record } of records) expect(aimRecord.parse(record)).toEqual(record);
      expect(records.find(({ kind }) => kind === 'image')?.jpeg).toHaveLength(5_000);
      expect(records.filter(({ kind }) => kind === 'look')).toMatchObject([
        {
          share: 0.4,
          mask: { width: 4, height: 3, bits: Buffer.from([0b10010000, 0b11000000]).toString('base64') },
        },
        { share: null, mask: null },
      ]);
      await until(() => records.filter(({ kind }) => kind === 'state').length >= 2, { what: 'a beat' });
    }
  }
  await until(() => camera.viewers.size === 0, { what: 'the images to end' });
});

it('says why there is no image', async () => {
  const camera = toldCamera();
  Object.assign(camera.state, { up: false, problem: 'connection refused' });
  await using rig = await openStationRig({}, { aim: camera.aim });
  await using stream = await readAim(`${rig.http.url}/api/v1/cameras/top/aim`);
  await until(() => stream.records[0]);
  expect(stream.records[0]).toMatchObject({ kind: 'state', up: false, problem: 'connection refused' });
});

it('refuses clients beyond the maximum with a code and a remedy, and accepts one when another has gone', async () => {
  const camera = toldCamera();
  await using rig = await openStationRig({}, { aim: camera.aim });
  const url = `${rig.http.url}/api/v1/cameras/top/aim`;
  const streams = await Promise.all(Array.from({ length: 8 }, () => readAim(url)));
  const refused = await fetch(url);
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({
    error: { code: 'aim-busy', remedy: expect.stringContaining('close') },
  });
  await streams.pop()![Symbol.asyncDispose]();
  await until(async () => {
    const stream = await readAim(url);
    streams.push(stream);
    return stream.status === 200;
  });
  for (const stream of streams) await stream[Symbol.asyncDispose]();
  expect((await fetch(`${rig.http.url}/api/v1/cameras/none/aim`)).status).toBe(404);
});

it('drops images for a client that reads too slowly, disconnects it, and serves the others', async () => {
  const camera = toldCamera();
  await using rig = await openStationRig({}, { aim: camera.aim });
  const url = new URL(`${rig.http.url}/api/v1/cameras/top/aim`);
  const lazy = connect(Number(url.port), '127.0.0.1');
  let closed = false;
  lazy.on('close', () => {
    closed = true;
  });
  lazy.pause();
  lazy.write(`GET ${url.pathname} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await until(() => camera.viewers.size === 1);
  await using keen = await readAim(url.href);
  const images = () => keen.records.filter(({ kind }) => kind === 'image').length;
  // 60 MB: more than all buffers of agent and kernel.
  for (let n = 1; n <= 300; n++) {
    camera.image(Buffer.alloc(200_000, 1));
    await until(() => images() === n, { what: `image ${n}` });
  }
  expect(keen.records.filter(({ kind }) => kind === 'state').at(-1)).toMatchObject({ dropped: 0 });
  // A socket that is paused notices the end only when it reads.
  await new Promise((resolve) => setTimeout(resolve, 7_500));
  let bytes = 0;
  lazy.on('data', (chunk) => {
    bytes += chunk.length;
  });
  lazy.resume();
  await until(() => closed, { what: 'the slow client to be disconnected' });
  expect(bytes).toBeLessThan(20e6);
  expect(keen.ended).toBe(false);
}, 60_000);

it('ends when the token is revoked, and when the server closes', async () => {
  using tokens = makeTokens();
  const camera = toldCamera();
  const rig = await openStationRig({ tokensFile: tokens.file }, { aim: camera.aim });
  const url = `${rig.http.url}/api/v1/cameras/top/aim`;
  expect((await fetch(url)).status).toBe(401);
  await using viewer = await readAim(url, tokens.bearer('viewer'));
  await using engineer = await readAim(url, tokens.bearer('engineer'));
  await until(() => viewer.records.length > 0 && engineer.records.length > 0);
  tokens.write(tokens.line.operator, tokens.line.engineer);
  await until(() => viewer.ended, { what: 'the end for a revoked token' });
  expect(engineer.ended).toBe(false);
  await rig[Symbol.asyncDispose]();
  await until(() => engineer.ended, { what: 'the end with the server' });
});
