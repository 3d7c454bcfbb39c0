import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CameraSource } from '../../../agent/camera/source.ts';
import { makeAuthority } from '../../rigs/certificates.ts';
import { openDamage } from '../../rigs/damage.ts';
import { type Colour, colourAt, difference, drawn } from '../../rigs/drawn.ts';
import { type GstRtspOptions, openGstRtsp } from '../../rigs/gst-rtsp.ts';
import { until } from '../../rigs/until.ts';
import { attempt, children } from './attempt.ts';

const BLACK: Colour = [0, 0, 0];
const WHITE: Colour = [255, 255, 255];
const RED: Colour = [200, 30, 40];
const GREEN: Colour = [40, 170, 60];
/** Lossy coding and chroma sampling, levels of 255. */
const TOLERANCE = 8;

/** Tests for every source of RTSP cameras, against the RTSP server of GStreamer. */
export function rtspContract(name: string, source: CameraSource, missing: string | undefined): void {
  if (missing) console.warn(`${name}: skipped, ${missing}`);

  describe.skipIf(missing)(`${name} reads what GStreamer serves`, () => {
    const streams: GstRtspOptions[] = [{ codec: 'h264' }, { codec: 'h265' }, { codec: 'mjpeg' }];
    it.each(streams)('$codec over TCP', async (options) => {
      await using server = await openGstRtsp(options);
      await using camera = attempt(source, { url: server.url });
      const frames = await camera.reached(20);
      for (const [index, frame] of frames.entries()) {
        expect(frame.image).toMatchObject({ width: 427, height: 320 });
        expect(frame.image.data).toHaveLength(427 * 320 * 3);
        expect(frame.capturedAt).toBeLessThanOrEqual(frame.receivedAt + 1);
        expect(frame.capturedAt).toBeGreaterThan(frames[index - 1]?.capturedAt ?? 0);
        expect(frame.simulated).toBe(false);
      }
      await until(() => camera.received >= 15, { what: 'the count of decoded frames' });
      await camera.stop();
      expect([...children().values()].filter((line) => /child\.js|ffmpeg/.test(line))).toEqual([]);
    });

    it('over UDP', async () => {
      await using server = await openGstRtsp();
      await using camera = attempt(source, { url: server.url, transport: 'udp' });
      await camera.reached(10);
    });

    it('reduced to the required rate, at the required size', async () => {
      await using server = await openGstRtsp();
      await using camera = attempt(source, { url: server.url, maxFps: 5, shorterSide: 400 });
      const frames = await camera.reached(8);
      expect(frames[0]!.image).toMatchObject({ width: 533, height: 400 });
      const [first, last] = [frames[2]!, frames[7]!];
      expect((last.capturedAt - first.capturedAt) / 5).toBeCloseTo(200, -2);
    });

    it('over TLS with digest authentication', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'qc-rtsps-'));
      const { cert, key } = makeAuthority(folder).issue();
      await using server = await openGstRtsp({ user: 'qc', password: 'geheim', cert, key });
      await using camera = attempt(source, { url: server.url.replace('//', '//qc@') }, 'geheim');
      await camera.reached(2);
      rmSync(folder, { recursive: true });
    });

    it('with digest authentication, without revealing the password', async () => {
      const password = "p@ss:w/rd '%1 é";
      await using server = await openGstRtsp({ user: 'qc', password });
      const url = server.url.replace('//', '//qc@');
      await using camera = attempt(source, { url }, password);
      await camera.reached(2);
      for (const [pid, line] of children()) {
        if (!line.includes('gst-rtsp.py')) expect(`${pid} ${line}`).not.toContain('ss%3Aw');
      }
      await using wrong = attempt(source, { url }, 'no-such-password');
      const error = await wrong.failure();
      expect(error.code).toBe('camera-unauthorized');
      expect(`${error.line} ${error.stack}`).not.toMatch(/no-such-password|qc@|qc:/);
    });
  });

  describe.skipIf(missing)(`${name} crops the images that it reads`, () => {
    it.each(['bt601', 'bt709'] as const)('with the original colours (%s)', async (colorimetry) => {
      await using server = await openGstRtsp({ source: 'pictures', colorimetry });
      await server.show(drawn(640, 480, RED, { x: 320, y: 0, width: 320, height: 480, colour: GREEN }));
      await using camera = attempt(source, { url: server.url, region: { y: 0.5, height: 0.5 }, freezeMs: 0 });
      await until(() =>
        camera.frames.some(({ image }) => difference(colourAt(image, 100, 100), RED) <= TOLERANCE),
      );
      const { image } = camera.frames.at(-1)!;
      expect(image).toMatchObject({ width: 640, height: 240 });
      expect(difference(colourAt(image, 500, 100), GREEN)).toBeLessThanOrEqual(TOLERANCE);
    });

    it('with full-range MJPEG colours', async () => {
      await using server = await openGstRtsp({ source: 'pictures', codec: 'mjpeg', colorimetry: '1:4:0:0' });
      await server.show(drawn(320, 240, RED, { x: 160, y: 0, width: 160, height: 240, colour: WHITE }));
      await using camera = attempt(source, { url: server.url, freezeMs: 0 });
      await until(() =>
        camera.frames.some(({ image }) => difference(colourAt(image, 80, 80), RED) <= TOLERANCE),
      );
      expect(difference(colourAt(camera.frames.at(-1)!.image, 240, 80), WHITE)).toBeLessThanOrEqual(
        TOLERANCE,
      );
    });

    it('exactly to the pixel, and to the same fractions after a change of the resolution', async () => {
      await using server = await openGstRtsp({ source: 'pictures' });
      const area = { x: 0.25, y: 0.25, width: 0.5, height: 0.25 };
      const chart = (width: number, height: number) => {
        const inside = { x: width / 4, y: height / 4, width: width / 2, height: height / 4 };
        return drawn(width, height, BLACK, { ...inside, colour: WHITE });
      };
      await server.show(chart(640, 480));
      await using camera = attempt(source, { url: server.url, region: area, freezeMs: 0 });
      const white = (width: number, height: number) => () =>
        camera.frames.find(
          ({ image }) =>
            image.width === width &&
            image.height === height &&
            [0, width - 1].every((x) => [0, height - 1].every((y) => colourAt(image, x, y)[1] > 200)),
        );
      await until(white(320, 120), { what: 'a crop that is white up to its corners' });
      await server.show(chart(320, 240));
      await until(white(160, 60), { what: 'the same crop of the smaller image' });
      expect(camera.faults.map(({ code }) => code)).toContain('camera-resolution-changed');
    });

    it('and refuses a region without pixels', async () => {
      await using server = await openGstRtsp();
      await using camera = attempt(source, { url: server.url, region: { width: 0.005 } });
      expect((await camera.failure()).code).toBe('camera-region');
    });
  });

  describe.skipIf(missing)(`${name} names the fault`, () => {
    it('with a path that does not exist', async () => {
      await using server = await openGstRtsp();
      await using camera = attempt(source, { url: server.url.replace('/stream', '/nothing') });
      expect((await camera.failure()).code).toBe('camera-not-found');
    });

    it('with a port that is closed', async () => {
      const probe = createServer().listen(0, '127.0.0.1');
      await once(probe, 'listening');
      const { port } = probe.address() as AddressInfo;
      probe.close();
      await using camera = attempt(source, { url: `rtsp://127.0.0.1:${port}/stream` });
      expect((await camera.failure()).code).toBe('camera-refused');
    });

    it('with a camera that never answers', async () => {
      const mute = createServer(() => undefined).listen(0, '127.0.0.1');
      await once(mute, 'listening');
      const { port } = mute.address() as AddressInfo;
      await using camera = attempt(source, { url: `rtsp://127.0.0.1:${port}/stream`, stallMs: 500 });
      expect((await camera.failure(20_000)).code).toBe('camera-unreachable');
      mute.close();
    });

    it('when the server dies', async () => {
      await using server = await openGstRtsp();
      await using camera = attempt(source, { url: server.url });
      await camera.reached(2);
      server.signal('SIGKILL');
      expect((await camera.failure()).code).toBe('camera-ended');
    });

    it('when the server stalls', async () => {
      await using server = await openGstRtsp();
      await using camera = attempt(source, { url: server.url, stallMs: 700 });
      await camera.reached(2);
      server.signal('SIGSTOP');
      expect((await camera.failure()).code).toBe('camera-stalled');
    });

    it('when the image freezes', async () => {
      await using server = await openGstRtsp({ source: 'pictures' });
      await using camera = attempt(source, { url: server.url, freezeMs: 2_000 });
      expect((await camera.failure()).code).toBe('camera-frozen');
      expect(camera.frames.length).toBeGreaterThan(0);
    });

    it('when frames are damaged, which it drops, counts and survives', async () => {
      await using server = await openGstRtsp({ bitrate: 1_000 });
      await using cable = await openDamage(server.port);
      await using camera = attempt(source, { url: `rtsp://127.0.0.1:${cable.port}/stream` });
      await camera.reached(3);
      cable.every(5);
      await until(() => camera.dropped.corrupt > 3, { what: 'damaged frames' });
      expect(camera.faults.map(({ code }) => code)).toContain('camera-corrupt');
      cable.every(0);
      await camera.reached(camera.frames.length + 20);
    });
  });
}
