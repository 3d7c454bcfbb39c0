import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { Aim, type AimImage } from '../../../agent/camera/aim.ts';
import { LiveRegion } from '../../../agent/camera/live-region.ts';
import type { CameraSource } from '../../../agent/camera/source.ts';
import type { Image } from '../../../models/image.ts';
import { drawn } from '../../rigs/drawn.ts';
import { openGstRtsp } from '../../rigs/gst-rtsp.ts';
import { until } from '../../rigs/until.ts';
import { attempt } from './attempt.ts';

/** Counts also images that nobody watches. */
class CountingAim extends Aim {
  made = 0;
  override deliver(image: AimImage): void {
    this.made++;
    super.deliver(image);
  }
}

/** Vertical bars, 8 pixels wide. */
function bars(width: number, height: number): Image {
  const all = Array.from({ length: width / 16 }, (_, n) => ({ x: 16 * n, y: 0, width: 8, height }));
  return drawn(
    width,
    height,
    [60, 60, 60],
    ...all.map((bar) => ({ ...bar, colour: [190, 190, 190] as const })),
  );
}

async function blurred({ width, height, data }: Image): Promise<Image> {
  const made = sharp(data, { raw: { width, height, channels: 3 } }).blur(3);
  return { width, height, data: await made.raw().toBuffer() };
}

/**
 * Tests of the images for aiming, for every source of RTSP cameras.
 * @param leastFps images per second, also on a busy machine
 */
export function aimContract(
  name: string,
  source: CameraSource,
  { missing, leastFps }: { missing: string | undefined; leastFps: number },
): void {
  describe.skipIf(missing)(`${name} shows the whole image to people who aim the camera`, () => {
    it('smoothly, only while somebody watches, and without an effect on the frames that are judged', async () => {
      await using server = await openGstRtsp({ width: 1280, height: 720 });
      const aim = new CountingAim();
      const cut = new LiveRegion({ x: 0.5, y: 0.5, width: 0.25, height: 0.5 });
      const settings = { url: server.url, region: cut.value, maxFps: 2 };
      await using camera = attempt(source, settings, undefined, { aim, cut });
      await camera.reached(3);
      expect(aim.made).toBe(0);
      const images: AimImage[] = [];
      const watching = aim.watch((image) => void images.push(image));
      const both = aim.watch(() => undefined);
      await until(() => images.length >= 3, { what: 'the first images' });
      const [count, judged, startedAt] = [images.length, camera.frames.length, performance.now()];
      await until(() => images.length >= count + 30, { timeoutMs: 10_000, what: '30 images' });
      const seconds = (performance.now() - startedAt) / 1_000;
      expect(30 / seconds).toBeGreaterThanOrEqual(leastFps);
      expect((camera.frames.length - judged) / seconds).toBeGreaterThan(1);
      expect(camera.frames.at(-1)!.image).toMatchObject({ width: 320, height: 360 });
      const last = images.at(-1)!;
      expect(last).toMatchObject({ size: { width: 960, height: 540 }, region: cut.value });
      expect(await sharp(last.jpeg).metadata()).toMatchObject({ format: 'jpeg', width: 960, height: 540 });
      expect(last.figures.histogram.reduce((sum, share) => sum + share)).toBeCloseTo(1, 5);
      expect(Date.now() - last.capturedAt).toBeLessThan(3_000);

      watching[Symbol.dispose]();
      const seen = images.length;
      const made = aim.made;
      await until(() => aim.made > made + 5, { what: 'images for the other viewer' });
      expect(images).toHaveLength(seen);
      both[Symbol.dispose]();
      // One image may be on its way.
      const frames = camera.frames.length;
      await until(() => camera.frames.length > frames + 1, { what: 'another frame' });
      const after = aim.made;
      await until(() => camera.frames.length > frames + 3, { what: 'two more frames' });
      expect(aim.made).toBe(after);
    });

    it('with figures that tell sharp from blurred, and that see clipped pixels of the region only', async () => {
      await using server = await openGstRtsp({ source: 'pictures', bitrate: 8_000 });
      const sharpBars = bars(640, 480);
      await server.show(sharpBars);
      const aim = new Aim();
      const cut = new LiveRegion({ x: 0, y: 0, width: 0.5, height: 1 });
      let newest: AimImage | undefined;
      using _watching = aim.watch((image) => {
        newest = image;
      });
      const shows = (wanted: (image: AimImage) => boolean, what: string) =>
        until(() => (newest && wanted(newest) ? newest : undefined), { what });
      const settings = { url: server.url, freezeMs: 0, region: cut.value };
      await using camera = attempt(source, settings, undefined, { aim, cut });
      await camera.reached(1);
      const clear = await shows(({ figures }) => figures.focus > 0, 'a sharp image');
      await server.show(await blurred(sharpBars));
      await shows(({ figures }) => figures.focus < clear.figures.focus / 3, 'a blurred image');
      expect(clear.figures).toMatchObject({ dark: 0, bright: 0 });
      const clipped = { x: 0, y: 0, width: 80, height: 480, colour: [255, 255, 255] as const };
      await server.show(drawn(640, 480, [0, 0, 0], clipped));
      const isClipped = ({ figures }: AimImage) => figures.bright > 0.1 && figures.dark > 0.1;
      const { figures } = await shows(isClipped, 'a clipped image');
      expect(figures.bright).toBeCloseTo(0.25, 1);
      expect(figures.dark).toBeCloseTo(0.75, 1);
      expect(figures.histogram[31]).toBeCloseTo(0.25, 1);
      cut.value = { x: 0.5, y: 0, width: 0.5, height: 1 };
      const other = await shows(({ region }) => region.x === 0.5, 'figures of the other region');
      expect(other.figures).toMatchObject({ bright: 0 });
      expect(other.figures.dark).toBeGreaterThan(0.95);
    });
  });
}
