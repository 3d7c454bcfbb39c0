/** A few seconds of the drawn line, encoded beforehand and shown forever: many cameras that cost next to nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openConveyor } from '../demo/conveyor.ts';
import { openEncoder } from '../demo/encode.ts';
import type { EncodedPicture } from '../demo/rtsp/payload.ts';
import type { PictureSource } from '../demo/rtsp/server.ts';

export interface ClipOptions {
  /** Even numbers, pixels. */
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly seconds: number;
  readonly seed: number;
}

type Picture = Pick<EncodedPicture, 'data' | 'key'>;

/** Draws and encodes it; a key frame comes every second and at the start. */
export async function makeClip({ width, height, fps, seconds, seed }: ClipOptions): Promise<Picture[]> {
  const conveyor = openConveyor({ partsPerMinute: 60, seed, startedAt: 0 });
  await using encoder = await openEncoder({ codec: 'h264', width, height, fps });
  const pictures: Picture[] = [];
  for (let at = 0; at < fps * seconds; at++) {
    const drawn = conveyor.draw((at * 1000) / fps, width, height);
    pictures.push(await encoder.encode(drawn, at % fps === 0));
  }
  return pictures;
}

/**
 * Plays a clip over and over from its start whenever someone begins to look.
 * @param phase how far into a frame interval its shutter closes, 0 to 1: cameras that nobody synchronised
 */
export function playClip(
  clip: readonly Picture[],
  fps: number,
  phase: number,
): PictureSource & AsyncDisposable {
  const listeners = new Set<(picture: EncodedPicture) => void>();
  const stop = new AbortController();
  let next = 0;

  async function run(): Promise<void> {
    const startedAt = performance.now() + (phase * 1000) / fps;
    for (let tick = 0; ; ) {
      await sleep(Math.max(0, startedAt + (tick * 1000) / fps - performance.now()), undefined, stop);
      const picture = { ...clip[next++ % clip.length]!, capturedAt: Date.now() };
      for (const listener of listeners) listener(picture);
      // What is too late is left out, as a camera does; never caught up with.
      tick = Math.max(tick + 1, Math.ceil(((performance.now() - startedAt) * fps) / 1000));
    }
  }
  const running = run().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });

  return {
    codec: 'h264',
    keyPicture: clip[0]!.data,
    requestKey() {
      next = 0;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}
