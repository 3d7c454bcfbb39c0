import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { DamagePatience } from '../../../agent/camera/damage.ts';
import { type CameraObserver, openCameraFeed } from '../../../agent/camera/feed.ts';
import { cameraSchema } from '../../../config/camera-schema.ts';
import { makeClip, openClipCamera } from '../../rigs/clip-camera.ts';
import { colourAt, difference, drawn } from '../../rigs/drawn.ts';
import { gstMissing, openGstRtsp } from '../../rigs/gst-rtsp.ts';
import { until } from '../../rigs/until.ts';
import { children } from './attempt.ts';

const missing = gstMissing();
const noFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0 ? undefined : 'no ffmpeg on this machine';
if (noFfmpeg) console.warn(`changing the region with the ffmpeg command: skipped, ${noFfmpeg}`);
if (missing) console.warn(`camera feed: skipped, ${missing}`);

/** Records the events of the feed. */
function witness() {
  const said: string[] = [];
  const counts = { received: 0, overwritten: 0, busy: 0, corrupt: 0, recut: 0, overload: 0 };
  const observer: CameraObserver = {
    up: () => void said.push('up'),
    down: (_camera, code) => void said.push(`down ${code}`),
    reconnected: () => void said.push('reconnected'),
    received(_camera, frames) {
      counts.received += frames;
    },
    dropped(_camera, reason, frames) {
      counts[reason] += frames;
    },
    fault: (_camera, code) => void said.push(`fault ${code}`),
    condition: () => undefined,
  };
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  return { said, counts, observer, lines, log };
}

it.skipIf(missing)(
  'is down while the camera is unreachable, up when it appears, and up again after a failure',
  async () => {
    const { said, observer, log, lines } = witness();
    const signal = AbortSignal.timeout(60_000);
    let server = await openGstRtsp({ user: 'qc', password: 'geheim' });
    const { port } = server;
    await server[Symbol.asyncDispose]();

    const url = `rtsp://qc@127.0.0.1:${port}/stream`;
    const config = cameraSchema.parse({ url, password: 'geheim', maxFps: 25 });
    await using feed = await openCameraFeed('top', config, { log, observer });
    await until(() => said.includes('down camera-refused'));
    expect(feed.up).toBe(false);
    expect(feed.reason).toContain('connection refused');

    server = await openGstRtsp({ user: 'qc', password: 'geheim', port });
    expect(await feed.next(signal)).toMatchObject({ kind: 'frame' });
    expect(feed).toMatchObject({ up: true, reason: '' });
    expect(feed.newestAt).toBeGreaterThan(Date.now() - 5_000);

    await server[Symbol.asyncDispose]();
    await until(() => !feed.up, { what: 'the loss' });
    expect(await feed.next(signal)).toMatchObject({ kind: 'lost' });

    server = await openGstRtsp({ user: 'qc', password: 'geheim', port });
    expect(await feed.next(signal)).toMatchObject({ kind: 'frame' });
    expect(said).toContain('reconnected');
    const text = lines.join('');
    expect(text).toMatch(/"cameraSize":"\d+ × \d+","decodedSize":"\d+ × \d+","msg":"the camera is up"/);
    expect(text).toMatch(/the camera is up again after: .*closed the connection/);
    await server[Symbol.asyncDispose]();
    expect(lines.join('')).not.toMatch(/geheim|qc@/);
  },
);

it.skipIf(missing)(
  'logs in once with a wrong password, and again immediately when the file changes',
  async () => {
    const { said, observer, log, lines } = witness();
    const folder = await mkdtemp(join(tmpdir(), 'qc-password-'));
    const passwordFile = join(folder, 'current', 'password');
    // As in Kubernetes: a symbolic link changes to the folder of the new secret.
    const mount = async (version: string, text: string) => {
      await mkdir(join(folder, version));
      await writeFile(join(folder, version, 'password'), text);
      await symlink(version, join(folder, 'next'));
      await rename(join(folder, 'next'), join(folder, 'current'));
    };
    await mount('v1', 'wrong');
    await using server = await openGstRtsp({ user: 'qc', password: 'geheim' });
    const config = cameraSchema.parse({
      url: server.url.replace('//', '//qc@'),
      passwordFile,
      password: 'wrong',
      maxFps: 25,
    });
    await using feed = await openCameraFeed('top', config, { log, observer });
    await until(() => said.includes('down camera-unauthorized'));
    expect(feed.reason).toContain(
      `the next log-in follows in 1 min, or at once if ${passwordFile} changes, so that the account is not locked`,
    );
    await sleep(1_500);
    expect(said.filter((line) => line === 'down camera-unauthorized')).toHaveLength(1);
    // A minute of wait does not block the process.
    expect(feed.lastActiveAt).toBeGreaterThan(performance.now());
    await mount('v2', '\uFEFFgeheim\r\n');
    await until(() => feed.up);
    expect(lines.join('')).not.toMatch(/geheim|"wrong/);
    await rm(folder, { recursive: true });
  },
);

it.skipIf(missing)(
  'gives a slow reader the newest frame, counts missed frames, and gives none after its end',
  async () => {
    const { counts, observer, log } = witness();
    const signal = AbortSignal.timeout(60_000);
    await using server = await openGstRtsp();
    const config = cameraSchema.parse({ url: server.url, maxFps: 25 });
    const feed = await openCameraFeed('top', config, { log, observer });
    await feed.next(signal);
    await until(() => counts.overwritten >= 10, { what: 'overwritten frames' });
    const event = await feed.next(signal);
    expect(event.kind === 'frame' && event.frame.capturedAt).toBe(feed.newestAt);
    await feed[Symbol.asyncDispose]();
    expect([...children().values()].filter((line) => line.includes('child.js'))).toEqual([]);
  },
);

it('closes while it waits for the next attempt', async () => {
  const { observer, log } = witness();
  const config = cameraSchema.parse({ url: 'file:/nowhere' });
  const feed = await openCameraFeed('top', config, { log, observer });
  await until(() => feed.reason.includes('/nowhere'));
  const stop = new AbortController();
  const waiting = feed.next(stop.signal);
  await sleep(0);
  stop.abort();
  await expect(waiting).rejects.toThrow();
  await feed[Symbol.asyncDispose]();
  expect(feed.up).toBe(false);
});

it.skipIf(missing).each(noFfmpeg ? (['node-av'] as const) : (['node-av', 'ffmpeg'] as const))(
  'every frame after a change of region is cut by the new one, to the pixel (%s)',
  async (decoder) => {
    const { said, observer, log } = witness();
    const red = [200, 30, 40] as const;
    const green = [40, 170, 60] as const;
    await using server = await openGstRtsp({ source: 'pictures' });
    await server.show(drawn(640, 480, red, { x: 320, y: 0, width: 320, height: 480, colour: green }));
    const left = { x: 0, y: 0, width: 0.5, height: 1 };
    const right = { x: 0.5, y: 0.25, width: 0.5, height: 0.5 };
    const config = cameraSchema.parse({ url: server.url, decoder, region: left, freezeMs: 0, maxFps: 25 });
    await using feed = await openCameraFeed('top', config, { log, observer });
    const signal = AbortSignal.timeout(60_000);
    const next = async () => {
      const event = await feed.next(signal);
      if (event.kind === 'lost') throw new Error(event.reason);
      return event.frame;
    };
    await until(async () => difference(colourAt((await next()).image, 5, 5), red) <= 8);
    for (const [region, colour, height] of [
      [right, green, 240],
      [left, red, 480],
      [right, green, 240],
    ] as const) {
      // One frame with the previous region is already available.
      await sleep(120);
      const changed = feed.cut(region);
      for (let n = 0; n < 5; n++) {
        const { image, region: cutBy } = await next();
        expect(cutBy).toEqual(region);
        expect(image).toMatchObject({ width: 320, height });
        for (const x of [0, 319])
          expect(difference(colourAt(image, x, height - 1), colour)).toBeLessThanOrEqual(60);
        expect(difference(colourAt(image, 160, 100), colour)).toBeLessThanOrEqual(8);
      }
      await changed;
    }
    expect(() => feed.checkRegion({ ...left, width: 0.005 })).toThrow('the region is');
    expect(said).toEqual(['up']);
  },
);

it.skipIf(noFfmpeg)('reopens a damaged stream without key frames after increasing waits', async () => {
  const { said, observer, log } = witness();
  const conditions: string[] = [];
  const clip = await makeClip({ parameters: 'keyint=1000' });
  await using server = await openClipCamera(clip);
  // Each session loses a fragment after some images.
  server.lose((at, packets, picture) => picture % 20 === 19 && at === packets >> 1);
  const config = cameraSchema.parse({ url: server.url, freezeMs: 0, damageMs: 500, maxFps: 50 });
  await using feed = await openCameraFeed('top', config, {
    log,
    observer: { ...observer, condition: (_camera, kind, text) => void conditions.push(text && kind) },
  });
  await until(() => said.filter((line) => line === 'down camera-corrupt').length >= 2, {
    timeoutMs: 20_000,
  });
  expect(conditions.filter((kind) => kind !== 'interlaced').slice(0, 3)).toEqual(['damaged', '', 'damaged']);
  expect(feed.blocked).toContain('damaged');
});

it('doubles the wait for a key frame after each damaged attempt until a healthy one', () => {
  const patience = new DamagePatience(5_000);
  expect(patience.start(0)).toBe(5_000);
  patience.reopened(8_000);
  expect(patience.start(8_000)).toBe(10_000);
  patience.reopened(20_000);
  expect(patience.start(20_000)).toBe(20_000);
  for (const at of [50_000, 100_000, 170_000]) {
    patience.reopened(at);
    patience.start(at);
  }
  expect(patience.start(170_000)).toBe(60_000);
  patience.reopened(170_000 + 600_000);
  expect(patience.start(800_000)).toBe(5_000);
});
