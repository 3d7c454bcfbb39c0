import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { CameraSource } from '../../../agent/camera/source.ts';
import type { Image } from '../../../models/image.ts';
import { type Clip, type ClipOptions, isDamaged, makeClip, openClipCamera } from '../../rigs/clip-camera.ts';
import { until } from '../../rigs/until.ts';
import { type Attempt, attempt } from './attempt.ts';

const noFfmpeg = () =>
  spawnSync('ffmpeg', ['-version']).status === 0 ? undefined : 'ffmpeg is not installed here';

/** Whether it is the middle packet of an image, or the only one. */
const middle = (packet: number, packets: number) => packet === packets >> 1;

/** Packets below the first rows. */
const from = ({ width, height, data }: Image, row: number): Image => ({
  width,
  height: height - row,
  data: data.subarray(row * width * 3),
});

interface Case {
  readonly clip?: ClipOptions;
  readonly transport?: 'tcp' | 'udp';
  /** Whether a packet is lost; images are counted from the beginning of the loss. */
  readonly lose?: (packet: number, packets: number, picture: number) => boolean;
  /** Whether the camera omits an image, without a gap in the sequence numbers. */
  readonly skip?: (picture: number) => boolean;
}

const key = { parameters: 'keyint=60' };
const cases: Readonly<Record<string, Case>> = {
  'a fragment of one picture': { clip: key, lose: (at, of, picture) => picture === 0 && middle(at, of) },
  'a fragment of one picture over UDP': {
    clip: key,
    transport: 'udp',
    lose: (at, of, picture) => picture === 0 && middle(at, of),
  },
  'the last fragment of one picture': {
    clip: key,
    lose: (at, of, picture) => picture === 0 && at === of - 1,
  },
  'a whole picture': { clip: key, lose: (_at, _of, picture) => picture === 0 },
  'a whole picture that the camera omitted': {
    clip: key,
    skip: (picture) => picture % 6 === 0 && picture < 12,
  },
  'the first slice of every picture for a while': {
    clip: { parameters: 'keyint=30:slices=4' },
    // Long enough to include a key frame.
    lose: (at, _of, picture) => picture < 40 && at <= 2,
  },
  'one slice of a picture that others are predicted from': {
    clip: { parameters: 'keyint=30:slices=3:bframes=2:b-adapt=0:ref=3:open-gop=1' },
    lose: (at, of, picture) => picture < 2 && middle(at, of),
  },
  'pictures of H.265': {
    clip: { codec: 'h265', parameters: 'keyint=60:min-keyint=60' },
    lose: (at, of, picture) => picture < 3 && middle(at, of),
  },
  'a picture of H.265 that the camera omitted': {
    clip: { codec: 'h265', parameters: 'keyint=60:min-keyint=60' },
    // Other pictures depend on some of them.
    skip: (picture) => picture % 8 < 4 && picture < 16,
  },
  'fragments of JPEG': {
    clip: { codec: 'mjpeg' },
    lose: (at, of, picture) => picture < 20 && middle(at, of),
  },
};

/** Tests of lost packets for every source of RTSP cameras. */
export function damageContract(name: string, source: CameraSource, recoversByItself: boolean): void {
  const missing = noFfmpeg();
  const settings = (url: string, more: Record<string, unknown> = {}) => ({
    url,
    maxFps: 50,
    freezeMs: 0,
    ...more,
  });
  const allIntact = ({ frames }: Pick<Attempt, 'frames'>, clip: Clip) => {
    const damaged = frames.flatMap(({ image }, index) => (isDamaged(image, clip) ? [index] : []));
    expect({ frames: frames.length, damaged }).toEqual({ frames: frames.length, damaged: [] });
  };

  describe.skipIf(missing)(`${name} delivers no image damaged by the loss of`, () => {
    it.each(Object.entries(cases))('%s', async (_name, { clip: options, transport, lose, skip }) => {
      const clip = await makeClip(options);
      await using server = await openClipCamera(clip);
      await using camera = attempt(source, settings(server.url, { transport }));
      await camera.reached(5);
      server.lose(lose);
      server.skip(skip);
      await until(() => camera.dropped.corrupt > 0 || camera.conditions.get('damaged'), {
        what: 'the damage',
      });
      const before = camera.frames.length;
      await until(() => camera.conditions.get('damaged') === '', { what: 'the end of the damage' });
      await camera.reached(before + 20);
      allIntact(camera, clip);
      expect(server.plays).toBe(1);
    });
  });

  describe.skipIf(missing)(`${name} with damage`, () => {
    it('reopens a stream that sends no key frame', async () => {
      const clip = await makeClip({ parameters: 'keyint=1000' });
      await using server = await openClipCamera(clip);
      await using camera = attempt(source, settings(server.url, { damageMs: 700 }));
      await camera.reached(5);
      server.lose((at, of, picture) => picture === 0 && middle(at, of));
      const error = await camera.failure();
      expect(error.code).toBe('camera-corrupt');
      expect(error.message).toContain('no key frame within 0.7 s after damage');
      expect(camera.conditions.get('damaged')).toBeTruthy();
      allIntact(camera, clip);
    });

    it('starts between two key frames with an intact image', async () => {
      for (const options of [
        { parameters: 'keyint=40' },
        { codec: 'h265', parameters: 'keyint=40:min-keyint=40' },
        { parameters: 'keyint=40:intra-refresh=1:ref=1' },
      ] satisfies ClipOptions[]) {
        const clip = await makeClip(options);
        await using server = await openClipCamera(clip, { from: 10 });
        await using camera = attempt(source, settings(server.url));
        await camera.reached(20);
        allIntact(camera, clip);
      }
    });

    it.skipIf(!recoversByItself)(
      'continues after a recovery point if the image is refreshed gradually',
      async () => {
        const clip = await makeClip({ parameters: 'keyint=40:intra-refresh=1:ref=1' });
        await using server = await openClipCamera(clip);
        await using camera = attempt(source, settings(server.url));
        await camera.reached(5);
        server.lose((at, of, picture) => picture === 0 && middle(at, of));
        await until(() => camera.conditions.get('damaged'), { what: 'the damage' });
        await until(() => camera.conditions.get('damaged') === '', { what: 'its end' });
        await camera.reached(camera.frames.length + 20);
        allIntact(camera, clip);
        expect(server.plays).toBe(1);
      },
    );
  });
  describe.skipIf(missing)(`${name} with interlaced video`, () => {
    it.each(['h264', 'h265'] as const)(
      'uses one field of %s, at its position and in the size of the frame',
      async (codec) => {
        const clip = await makeClip({ codec, parameters: 'keyint=25:bframes=0', interlaced: true, fps: 25 });
        await using server = await openClipCamera(clip);
        await using whole = attempt(source, settings(server.url));
        await whole.reached(10);
        await using half = attempt(source, settings(server.url, { region: { y: 0.5, height: 0.5 } }));
        await half.reached(10);
        allIntact(whole, clip);
        // Rows are interpolated from their neighbours, which are missing at the edge of a crop.
        const inside = half.frames.map((frame) => ({ ...frame, image: from(frame.image, 8) }));
        allIntact({ frames: inside }, { ...clip, images: clip.images.map((image) => from(image, 128)) });
        expect(whole.conditions.get('interlaced')).toContain('top field first');
        expect(whole.faults).toEqual([]);
      },
    );

    it('reports no interlacing if frames are progressive', async () => {
      const clip = await makeClip({ parameters: 'keyint=25' });
      await using server = await openClipCamera(clip);
      await using camera = attempt(source, settings(server.url));
      await camera.reached(10);
      expect(camera.conditions.get('interlaced')).toBe('');
      expect(camera.conditions.get('damaged')).toBe('');
    });
  });
}
