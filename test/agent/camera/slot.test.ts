import { expect, it } from 'vitest';
import { FrameSlot } from '../../../agent/camera/slot.ts';
import type { Frame } from '../../../models/image.ts';
import { frameTimes } from '../../rigs/frame-times.ts';

const frame = (capturedAt: number): Frame => ({
  camera: 'top',
  image: { width: 1, height: 1, data: new Uint8Array(3) },
  capturedAt,
  receivedAt: capturedAt,
  times: frameTimes(),
  simulated: false,
});
const never = new AbortController().signal;

it('keeps the newest frame only, and counts the others', async () => {
  let overwritten = 0;
  const slot = new FrameSlot(() => overwritten++);
  for (const at of [1, 2, 3]) slot.put(frame(at));
  expect(overwritten).toBe(2);
  expect(await slot.next(never)).toMatchObject({ frame: { capturedAt: 3 } });
});

it('reports a loss once, before the next frame', async () => {
  const slot = new FrameSlot(() => undefined);
  slot.put(frame(1));
  slot.lose('cable');
  slot.lose('cable again');
  slot.put(frame(2));
  slot.put(frame(3));
  expect(await slot.next(never)).toEqual({ kind: 'lost', reason: 'cable again' });
  expect(await slot.next(never)).toMatchObject({ frame: { capturedAt: 3 } });
});

it('gives a frame immediately to a waiting reader, and none to one that gave up', async () => {
  const slot = new FrameSlot(() => undefined);
  const stop = new AbortController();
  const givenUp = slot.next(stop.signal);
  stop.abort();
  await expect(givenUp).rejects.toThrow();
  const waiting = slot.next(never);
  slot.put(frame(1));
  expect(await waiting).toMatchObject({ frame: { capturedAt: 1 } });
});
