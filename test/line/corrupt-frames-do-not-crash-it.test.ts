import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { resultMessage } from '../../agent/publish/messages.ts';
import { makeClip, openClipCamera } from '../rigs/clip-camera.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import { until } from '../rigs/until.ts';

const noFfmpeg = spawnSync('ffmpeg', ['-version']).status !== 0;
if (noFfmpeg) console.warn('lost packets: skipped, ffmpeg is not installed here');

it('counts and omits damaged images, and continues when the connection is good again', async () => {
  await using plant = await openPlant({ trigger: { kind: 'continuous', everyMs: 200 }, vote: 2 });
  await plant.ready();
  await plant.nextResults(2);
  for (const share of [0.05, 0.2]) {
    const before = await corrupt(plant);
    await plant.line.corrupt(share);
    await until(async () => (await corrupt(plant)) >= before + 10, {
      timeoutMs: 20_000,
      everyMs: 100,
      what: `damaged pictures to be counted at ${share}`,
    });
  }
  await plant.line.corrupt(0);
  await plant.says((status) => status.online && status.state === 'inspecting', 'inspecting');
  const clean = Date.now();
  await until(
    () =>
      plant.results.filter(({ state, capturedAt }) => state === 'completed' && Date.parse(capturedAt) > clean)
        .length >= 3,
    { timeoutMs: 20_000, what: 'parts to be judged again' },
  );

  const { results } = plant;
  for (const result of results) expect(resultMessage.parse(result)).toEqual(result);
  expect(results.filter(({ state, evaluation }) => state !== 'completed' && evaluation !== 0)).toEqual([]);
  expect(results.map(({ sequence }) => sequence)).toEqual(results.map((_, index) => index + 1));
  expect((await fetch(`${plant.url}/healthz`)).ok).toBe(true);
  expect(await plant.stop()).toBe(0);
});

it.skipIf(noFfmpeg)(
  'judges nothing after a lost packet until a reopened stream sends a key frame',
  async () => {
    const size = { width: 160, height: 120, fps: 12, frames: 360 };
    await using camera = await openClipCamera(await makeClip({ ...size, parameters: 'keyint=1000' }));
    const settings = { url: camera.url, damageMs: 3_000, freezeMs: 0 };
    await using plant = await openPlant({
      trigger: { kind: 'continuous', everyMs: 200 },
      camera: { ...settings, region: { x: 0, y: 0, width: 1, height: 1 } },
    });
    await plant.says((status) => status.online && status.state === 'inspecting', 'inspecting');
    await plant.nextResults(3);
    const readyz = async () => (await fetch(`${plant.url}/readyz`)).text();
    const ended = Date.now();
    camera.lose((packet, packets, picture) => picture === 0 && packet === packets >> 1);
    await plant.says((status) => status.online && status.state === 'degraded', 'damaged');
    expect(await readyz()).toContain('images are damaged');
    const damaged = await plant.metrics();
    expect(damaged.value('qc_camera_condition', { camera: 'top', condition: 'damaged' })).toBe(1);
    await until(() => camera.plays === 2, { timeoutMs: 20_000, what: 'the stream to be reopened' });
    const reopened = Date.now();
    await plant.nextResults(3, 20_000);
    expect(await readyz()).not.toContain('damaged');
    const captured = plant.results.map(({ capturedAt }) => Date.parse(capturedAt));
    // The decoder has one image, and the agent judges another.
    expect(captured.filter((at) => at > ended + 500 && at < reopened)).toEqual([]);
    expect(await corrupt(plant)).toBeGreaterThan(10);
    expect(await plant.stop()).toBe(0);
  },
);

it('survives a camera that sends invalid data', async () => {
  const talks: ((socket: Socket) => void)[] = [
    (socket) => socket.write(randomBytes(50_000)),
    (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'),
    (socket) => {
      // A valid answer to OPTIONS, then an endless interleaved packet without a request.
      socket.write('RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n');
      socket.write(Buffer.concat([Buffer.from([0x24, 0, 0xff, 0xff]), randomBytes(200_000)]));
    },
    (socket) =>
      socket.on('data', () =>
        socket.write('RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\nv=0\r\n'),
      ),
  ];
  let said = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    talks[said++ % talks.length]!(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const url = `rtsp://127.0.0.1:${(server.address() as AddressInfo).port}/stream`;
    await using plant = await openPlant({ camera: { url, stallMs: 500 } });
    await until(() => said > talks.length, { timeoutMs: 45_000, what: 'every invalid answer to be sent' });
    expect((await fetch(`${plant.url}/healthz`)).ok).toBe(true);
    const metrics = await plant.metrics();
    expect(metrics.value('qc_camera_up', { camera: 'top' })).toBe(0);
    expect(metrics.value('qc_camera_faults_total', { camera: 'top' })).toBeGreaterThanOrEqual(talks.length);
    expect(plant.results).toEqual([]);
    expect(await plant.stop()).toBe(0);
  } finally {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
});

async function corrupt(plant: Plant): Promise<number> {
  const metrics = await plant.metrics();
  return metrics.value('qc_frames_dropped_total', { camera: 'top', reason: 'corrupt' }) ?? 0;
}
