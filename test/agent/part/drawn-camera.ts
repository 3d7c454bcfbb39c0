/** Frames drawn pixel by pixel, and a camera in memory that delivers them. */
import type { CameraEvent, CameraEvents } from '../../../agent/camera/camera.ts';
import type { Part } from '../../../agent/inspect.ts';
import type { OpenParts } from '../../../agent/part/parts.ts';
import type { Frame } from '../../../models/image.ts';
import { frameTimes } from '../../rigs/frame-times.ts';

export const SIZE = 96;

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export interface Square {
  /** Left upper corner and side, pixels; may be outside the image. */
  readonly x: number;
  readonly y: number;
  readonly side: number;
  /** 0 to 255. */
  readonly level: number;
}

export interface Scene {
  readonly squares?: readonly Square[];
  /** Factor of the brightness. */
  readonly light?: number;
}

/** Draws 25 images per second of a belt with a fixed structure and new sensor noise in each. */
export class DrawnCamera implements CameraEvents {
  /** The scene in each frame. */
  readonly truth = new WeakMap<Frame, Scene>();
  now = 1_700_000_000_000;
  #events: CameraEvent[] = [];
  #wake: (() => void) | undefined;
  #idle: (() => void) | undefined;
  readonly #random: () => number;
  readonly #belt: number[];

  constructor(seed = 1) {
    this.#random = seeded(seed);
    this.#belt = Array.from({ length: SIZE * SIZE }, (_, at) => {
      const y = Math.floor(at / SIZE);
      return 120 + 25 * Math.sin(y / 7) + 8 * Math.sin(at / 3) + 12 * (this.#random() - 0.5);
    });
  }

  draw({ squares = [], light = 1 }: Scene = {}): Frame {
    this.now += 40;
    const data = new Uint8Array(SIZE * SIZE * 3);
    for (let at = 0; at < SIZE * SIZE; at++) {
      const x = at % SIZE;
      const y = (at - x) / SIZE;
      let level = this.#belt[at]!;
      for (const s of squares) {
        if (x < s.x || x >= s.x + s.side || y < s.y || y >= s.y + s.side) continue;
        level = s.level + (Math.floor((x - s.x) / 5) % 2) * 8;
      }
      const seen = level * light + 8 * (this.#random() + this.#random() - 1);
      data.fill(Math.max(0, Math.min(255, Math.round(seen))), at * 3, at * 3 + 3);
    }
    const frame: Frame = {
      camera: 'top',
      image: { width: SIZE, height: SIZE, data },
      capturedAt: this.now,
      receivedAt: this.now + 5,
      times: { ...frameTimes(), capturedAt: this.now },
      simulated: true,
    };
    this.truth.set(frame, { squares, light });
    return frame;
  }

  /** Shows a scene for some frames. */
  show(scene: Scene = {}, frames = 1): void {
    for (let n = 0; n < frames; n++) this.push({ kind: 'frame', frame: this.draw(scene) });
  }

  lose(reason = 'connection refused'): void {
    this.push({ kind: 'lost', reason });
  }

  push(event: CameraEvent): void {
    this.#events.push(event);
    this.#wake?.();
  }

  async next(signal: AbortSignal): Promise<CameraEvent> {
    for (;;) {
      signal.throwIfAborted();
      const event = this.#events.shift();
      if (event) return event;
      this.#idle?.();
      await new Promise<void>((resolve) => {
        const wake = () => {
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#wake = wake;
        signal.addEventListener('abort', wake);
      });
    }
  }

  /** Resolves when all shown frames have been processed. */
  async seen(): Promise<void> {
    if (this.#events.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }
}

/** The parts found so far, without waiting for more. */
export async function found(parts: OpenParts): Promise<Part[]> {
  const all: Part[] = [];
  for (;;) {
    const patience = new AbortController();
    const next = parts.next(patience.signal);
    // A part that was found is delivered before the end of this turn of the event loop.
    const turn = setImmediate(() => patience.abort());
    try {
      all.push(await next);
    } catch {
      return all;
    } finally {
      clearImmediate(turn);
    }
  }
}

/** A square that crosses the image from left to right. */
export function* crossing(
  side: number,
  step: number,
  { y = 30, level = 210 }: { y?: number; level?: number } = {},
): Generator<Square> {
  for (let x = -side + step; x < SIZE; x += step) yield { x: Math.round(x), y, side, level };
}

export function isWhole({ x, y, side }: Square): boolean {
  return x >= 0 && y >= 0 && x + side <= SIZE && y + side <= SIZE;
}
