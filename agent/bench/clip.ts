/** A few seconds of the simulated line, encoded in advance and played in a loop: many cameras at very low cost. */
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
 * Plays a clip in a loop, from its start for each new subscriber.
 * @param phase offset of the shutter within a frame interval, 0 to 1, for cameras that are not synchronised
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
      // Late images are skipped, as in a camera, and never sent later.
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
