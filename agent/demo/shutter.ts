/** The sensor of the simulated camera: draws and encodes an image at each tick, and can freeze or change its size. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Image } from '../../models/image.ts';
import { Closer } from '../lifecycle/closer.ts';
import { type Encoder, openEncoder } from './encode.ts';
import type { Codec, EncodedPicture } from './rtsp/payload.ts';
import type { PictureSource } from './rtsp/server.ts';

/** Draws the image of the camera at a time (ms since the epoch), in that size; its buffer may be reused. */
export type Draw = (at: number, width: number, height: number) => Image;

export interface ShutterOptions {
  readonly codec: Codec;
  /** Even numbers, pixels. */
  readonly width: number;
  readonly height: number;
  /** Images per second. */
  readonly fps: number;
  readonly draw: Draw;
}

export interface Shutter extends PictureSource {
  /** Repeats the newest image: the decoded image is identical to the last bit. */
  freeze(on: boolean): void;
  /** Changes the size of the images, from the next one on, and ends a freeze; even numbers, pixels. */
  resize(width: number, height: number): void;
}

/** Opens the shutter; it draws and encodes only while someone subscribes. */
export async function openShutter(options: ShutterOptions): Promise<Shutter & AsyncDisposable> {
  const { codec, fps, draw } = options;
  const listeners = new Set<(picture: EncodedPicture) => void>();
  const stop = new AbortController();
  let size = { width: options.width, height: options.height };
  let encoder: (Encoder & AsyncDisposable) | undefined;
  let encoderSize = size;
  let frozen: Image | undefined;
  let newest: Image | undefined;
  let keyWanted = true;

  async function expose(capturedAt: number): Promise<EncodedPicture> {
    const { width, height } = size;
    if (!encoder || width !== encoderSize.width || height !== encoderSize.height) {
      await encoder?.[Symbol.asyncDispose]();
      encoder = undefined;
      encoder = await openEncoder({ codec, width, height, fps });
      encoderSize = { width, height };
      frozen = undefined;
      keyWanted = true;
    }
    newest = frozen ?? draw(capturedAt, width, height);
    // Only key frames of the same pixels decode to the same pixels: a P-frame would refine them.
    const forceKey = keyWanted || frozen !== undefined;
    keyWanted = false;
    return { ...(await encoder.encode(newest, forceKey)), capturedAt };
  }

  let keyPicture: Buffer = Buffer.alloc(0);

  async function run(): Promise<void> {
    const startedAt = performance.now();
    const epoch = Date.now();
    for (let tick = 1; ; ) {
      const late = performance.now() - startedAt - (tick * 1_000) / fps;
      await sleep(Math.max(0, -late), undefined, { signal: stop.signal });
      if (listeners.size > 0) {
        const picture = await expose(epoch + performance.now() - startedAt);
        if (picture.key) keyPicture = picture.data;
        for (const listener of listeners) listener(picture);
      }
      // Late images are skipped, as in a camera, and never sent later.
      tick = Math.max(tick + 1, Math.ceil(((performance.now() - startedAt) * fps) / 1_000));
    }
  }

  await using opened = new Closer();
  opened.defer(() => encoder?.[Symbol.asyncDispose]());
  keyPicture = (await expose(Date.now())).data;
  const running = run().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  opened.defer(async () => {
    stop.abort();
    await running;
  });
  const closer = opened.move();

  return {
    codec,
    get keyPicture() {
      return keyPicture;
    },
    requestKey: () => {
      keyWanted = true;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    freeze(on) {
      frozen = on && newest ? { ...newest, data: Uint8Array.from(newest.data) } : undefined;
    },
    resize(width, height) {
      size = { width, height };
    },
    [Symbol.asyncDispose]: () => closer[Symbol.asyncDispose](),
  };
}
