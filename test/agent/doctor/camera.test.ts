import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkCamera, clockFault } from '../../../agent/doctor/camera.ts';
import type { Finding } from '../../../agent/doctor/finding.ts';
import { cameraSchema } from '../../../config/camera-schema.ts';
import type { Frame } from '../../../models/image.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { freePort } from '../../rigs/free-port.ts';
import { type GstRtsp, gstMissing, openGstRtsp } from '../../rigs/gst-rtsp.ts';

const missing = gstMissing();
if (missing) console.warn(`doctor: cameras skipped, ${missing}`);

function check(settings: Record<string, unknown>, { side = 224 } = {}): Promise<Finding[]> {
  const config = cameraSchema.parse({ stallMs: 2_000, ...settings });
  return checkCamera('top', config, { side, signal: new AbortController().signal });
}

describe.skipIf(missing)('the doctor checks a camera', () => {
  let camera: GstRtsp;
  let foreign: GstRtsp;
  beforeAll(async () => {
    camera = await openGstRtsp({ width: 1280, height: 720, user: 'qc', password: 's3cret' });
    foreign = await openGstRtsp({ codec: 'vp8' });
  });
  afterAll(async () => {
    await camera[Symbol.asyncDispose]();
    await foreign[Symbol.asyncDispose]();
  });
  const address = (path = '/stream') => `rtsp://qc@127.0.0.1:${camera.port}${path}`;

  it.each(['node-av', 'ffmpeg'])('that works (%s)', async (decoder) => {
    const region = { x: 0.1, y: 0.1, width: 0.75, height: 0.8 };
    const [finding] = await check({ url: address(), password: 's3cret', region, decoder });
    expect(finding).toMatchObject({ check: 'camera top', level: 'ok' });
    expect(finding?.detail).toMatch(
      /^1280×720 H\.264, \d\d fps, region 960×576, first frame after \d+\.\d s$/,
    );
  });

  it('with a correct clock', async () => {
    const findings = await check({ url: address(), password: 's3cret', clock: 'camera' });
    expect(findings.filter((finding) => finding.check.endsWith('clock'))).toEqual([]);
  });

  it.each([
    ['camera', 'fail', /clock: arrival/],
    ['arrival', 'warn', /not used/],
  ])('with a wrong clock, with clock: %s', async (clock, level, remedy) => {
    await using late = await openGstRtsp({ clock: 'wrong' });
    const findings = await check({ url: late.url, clock });
    expect(findings.filter(({ level }) => level !== 'ok')).toMatchObject([
      {
        check: 'camera top clock',
        level,
        detail: 'the camera clock is not set',
      },
    ]);
    expect(findings.at(-1)?.remedy).toMatch(remedy);
  });

  const broken: { what: string; settings: () => Record<string, unknown>; detail: RegExp; remedy: RegExp }[] =
    [
      {
        what: 'a wrong password',
        settings: () => ({ url: address(), password: 'hunter2' }),
        detail: /401/,
        remedy: /passwordFile/,
      },
      {
        what: 'a wrong path',
        settings: () => ({ url: address('/stream2'), password: 's3cret' }),
        detail: /404/,
        remedy: /path in the url/,
      },
      {
        what: 'an unsupported codec',
        settings: () => ({ url: foreign.url }),
        detail: /the video is VP8, which is not supported/,
        remedy: /H\.264, H\.265 or MJPEG/,
      },
      {
        what: 'a region without pixels',
        settings: () => ({ url: address(), password: 's3cret', region: { width: 0.005 } }),
        detail: /6 × 720 pixels of an image of 1280 × 720/,
        remedy: /make region larger/,
      },
    ];
  it.each(broken)('with $what', async ({ settings, detail, remedy }) => {
    const findings = await check(settings());
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ ok: false, level: 'fail' });
    expect(findings[0]?.detail).toMatch(detail);
    expect(findings[0]?.remedy).toMatch(remedy);
    expect(JSON.stringify(findings)).not.toMatch(/hunter2|s3cret/);
  });

  it('that sends fewer pixels and frames than required', async () => {
    await using slow = await openGstRtsp({ fps: 5 });
    const trigger = { kind: 'continuous', everyMs: 100 };
    const findings = await check({ url: slow.url, region: { width: 0.2 }, trigger });
    expect(findings.every(({ ok }) => ok)).toBe(true);
    const warned = findings.filter(({ level }) => level === 'warn').map(({ detail }) => detail);
    expect(warned).toContainEqual(expect.stringMatching(/128×480 pixels, fewer than/));
    expect(warned).toContainEqual(
      expect.stringMatching(/sends \d frames per second, trigger and vote need 10/),
    );
  });
});

describe('the doctor searches a camera', () => {
  it('at a closed port', async () => {
    const [finding] = await check({ url: `rtsp://127.0.0.1:${await freePort()}/a` });
    expect(finding).toMatchObject({ level: 'fail', remedy: expect.stringContaining('check the port') });
  });

  it('that never answers', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    try {
      await new Promise((resolve) => silent.once('listening', resolve));
      const { port } = silent.address() as { port: number };
      const [finding] = await check({ url: `rtsp://127.0.0.1:${port}/a`, stallMs: 1_000 });
      expect(finding).toMatchObject({ level: 'fail', remedy: expect.stringContaining('address, cable') });
    } finally {
      silent.close();
    }
  });

  it('in a folder of images, and detects a lens cap', async () => {
    await using scratch = await tempFolder();
    const black = sharp({ create: { width: 320, height: 240, channels: 3, background: '#020202' } });
    await writeFile(join(scratch.path, '1.png'), await black.png().toBuffer());
    const findings = await check({ url: `file:${scratch.path}` });
    expect(findings).toMatchObject([
      { level: 'ok', detail: expect.stringMatching(/^320×240 from files, region 320×240/) },
      { level: 'warn', detail: 'the region is all black', remedy: expect.stringContaining('lens cap') },
    ]);
  });

  it('in a folder without any', async () => {
    await using scratch = await tempFolder();
    const [finding] = await check({ url: `file:${scratch.path}` });
    expect(finding).toMatchObject({ level: 'fail', remedy: expect.stringContaining('put PNG, JPEG or BMP') });
  });
});

it('allows a camera clock the delay of a frame, and no more', () => {
  const frame = (offMs: number) =>
    ({ receivedAt: 1_800_000_000_000, capturedAt: 1_800_000_000_000 + offMs }) as Frame;
  expect(clockFault(frame(-300))).toBeUndefined();
  expect(clockFault(frame(2_500))).toBe('the camera clock is 2.5 s ahead');
  expect(clockFault(frame(-2_500))).toBe('the camera clock is 2.5 s behind');
});
