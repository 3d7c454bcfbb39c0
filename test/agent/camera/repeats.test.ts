import { pino } from 'pino';
import { expect, it } from 'vitest';
import { Repeats } from '../../../agent/camera/repeats.ts';
import { openJudgedImages } from '../../../agent/part/judged.ts';
import { openParts } from '../../../agent/part/parts.ts';
import { triggerSchema } from '../../../config/camera-schema.ts';
import type { Frame } from '../../../models/image.ts';
import { tempFolder } from '../../models/temp-folder.ts';
import { DrawnCamera, found } from '../part/drawn-camera.ts';

/** A camera whose frames pass the check for repeats, as in the agent. */
function watched(freezeMs = 0) {
  const camera = new DrawnCamera();
  const texts: string[] = [];
  const repeats = new Repeats(freezeMs, (condition, text) => void texts.push(text && condition));
  const show = (image?: Frame['image']): Frame => {
    const drawn = camera.draw();
    const frame = {
      ...drawn,
      ...(image && { image }),
      times: { ...drawn.times, takenAt: camera.now },
    };
    const known = { ...frame, ...repeats.observe(frame) };
    camera.push({ kind: 'frame', frame: known });
    return known;
  };
  return { camera, show, texts, repeats };
}

it('a repeated image has the time of its first appearance, after any number of other images', () => {
  const { show } = watched();
  const first = show();
  for (let n = 0; n < 50; n++) show();
  expect(show(first.image)).toMatchObject({ print: first.print, firstSeenAt: first.times.capturedAt });
  const other = show();
  expect(other.firstSeenAt).toBe(other.times.capturedAt);
  expect(other.print).not.toBe(first.print);
});

it('a camera that shows one image, or repeats its last few, is frozen until a new one comes', () => {
  const { show, texts } = watched(1_000);
  const images = [show(), show(), show()].map(({ image }) => image);
  for (let n = 0; n < 24; n++) show(images[n % 3]);
  expect(texts).toEqual([]);
  for (let n = 0; n < 5; n++) show(images[0]);
  expect(texts).toEqual(['frozen']);
  show();
  expect(texts).toEqual(['frozen', '']);
});

it('a frozen image does not become younger with another region', () => {
  const { show, texts, repeats } = watched(1_000);
  const [half, other] = [0, 0.5].map((x) => ({ x, y: 0, width: 0.5, height: 1 }));
  const still = { ...show(), region: half! };
  const cut = (frame: Frame, region: typeof half) => ({ ...frame, region: region! });
  repeats.observe(still);
  // Recipes alternate; each region looks different, and the camera is frozen.
  const seen = Array.from({ length: 40 }, (_, n) => {
    const { image } = n % 2 ? still : new DrawnCamera().draw();
    const later = still.times.takenAt + (n + 1) * 40;
    const times = { ...still.times, capturedAt: later, takenAt: later };
    return repeats.observe(cut({ ...still, image, times }, n % 2 ? half : other));
  });
  expect(seen.every(({ firstSeenAt }) => firstSeenAt! <= still.times.capturedAt)).toBe(true);
  expect(texts).toEqual(['frozen']);
  const fresh = show();
  expect(fresh.firstSeenAt).toBe(fresh.times.capturedAt);
});

it('a file that is played repeatedly is not a frozen camera', () => {
  const { repeats } = watched(1_000);
  const file = { ...new DrawnCamera().draw(), source: '1.png' };
  expect(repeats.observe(file)).toEqual({});
});

it.each([
  ['command', { kind: 'command', timeoutMs: 60_000 }],
  ['continuous', { kind: 'continuous', everyMs: 40 }],
])('no part passes on an image from before the part (%s)', async (kind, trigger) => {
  const { camera, show } = watched();
  await using parts = openParts(triggerSchema.parse(trigger), { frames: 1 }, camera, {
    camera: 'top',
    maxWaitMs: 60_000,
    now: () => camera.now,
  });
  const part = async (image?: Frame['image']) => {
    const answer = kind === 'command' ? parts.trigger({}) : undefined;
    const { image: shown } = show(image);
    await answer;
    await camera.seen();
    const [one] = await found(parts);
    return { image: shown, doubt: one?.doubt };
  };
  const first = await part();
  expect(first.doubt).toBeUndefined();
  expect((await part()).doubt).toBeUndefined();
  expect((await part(first.image)).doubt).toMatch(/frozen/);
  expect((await part(first.image)).doubt).toMatch(/frozen/);
  expect((await part()).doubt).toBeUndefined();
});

it('an image that was judged is known after a restart', async () => {
  await using scratch = await tempFolder();
  const log = pino({ level: 'silent' });
  const open = () => openJudgedImages(scratch.path, 'top', log);
  {
    await using judged = await open();
    judged.add(Array.from({ length: 600 }, (_, n) => `image ${n}`));
    expect(judged.has('image 0')).toBe(true);
  }
  await using judged = await open();
  expect(judged.has('image 599')).toBe(true);
  expect(judged.has('image 600')).toBe(false);
});
