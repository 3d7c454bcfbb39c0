/** A simulated line without real time: frames of a belt with parts, and the parts that a finder finds. */

import { openConveyor } from '../../agent/demo/conveyor.ts';
import { layoutOf } from '../../agent/demo/layout.ts';
import type { BackgroundLevels } from '../../agent/part/background.ts';
import type { Finder, FoundPart } from '../../agent/part/finder.ts';
import type { KeptBackgrounds } from '../../agent/part/presence.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import type { Frame, Image } from '../../models/image.ts';
import { frameTimes } from './frame-times.ts';

/** A part in the region in one frame: its number, and the share of it (or of the region, if that is smaller) in view. */
export interface Shown {
  readonly serial: number;
  readonly share: number;
}

/** The region after the belt has moved for some time. */
export interface Belt {
  /** @param beltMs time that the belt has moved, ms @param noise seed of the sensor noise */
  draw(beltMs: number, noise: number): Image;
  shown(beltMs: number): readonly Shown[];
}

export interface DemoBeltOptions {
  readonly seed: number;
  /** Side of the region, pixels of a 640 x 480 image, in which a part has a diameter of 232. */
  readonly side: number;
  readonly partsPerMinute?: number;
  /** Offset of the region from the part, pixels. */
  readonly shift?: number;
}

/** The belt of the demo: slow while a part is centred, faster in between. */
export function demoBelt({ seed, side, partsPerMinute = 30, shift = 0 }: DemoBeltOptions): Belt {
  const [width, height] = [240, 180];
  const conveyor = openConveyor({ partsPerMinute, seed, startedAt: 0 });
  const { partRadius, centre, spacing } = layoutOf(width, height);
  const cut = Math.round(side * 0.375);
  const left = Math.round(centre.x - cut / 2 + shift * 0.375);
  const top = Math.round(centre.y - cut / 2 + shift * 0.375);
  const intervalMs = 60_000 / partsPerMinute;
  return {
    draw: (beltMs, noise) => crop(conveyor.draw(beltMs + (noise % 3), width, height), left, top, cut),
    shown(beltMs) {
      const phase = beltMs / intervalMs;
      const turn = 2 * Math.PI * phase;
      const travelled =
        phase - (0.4 * Math.sin(turn)) / (2 * Math.PI) - (0.5 * Math.sin(2 * turn)) / (4 * Math.PI);
      const all: Shown[] = [];
      for (let serial = Math.max(1, Math.floor(travelled)); serial <= travelled + 1; serial++) {
        const x = centre.x + (travelled - serial) * spacing - left;
        const seen = Math.min(cut, x + partRadius) - Math.max(0, x - partRadius);
        if (seen > 0) all.push({ serial, share: seen / Math.min(cut, 2 * partRadius) });
      }
      return all;
    },
  };
}

function crop({ width, data }: Image, left: number, top: number, side: number): Image {
  const cut = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    const from = ((top + y) * width + left) * 3;
    cut.set(data.subarray(from, from + side * 3), y * side * 3);
  }
  return { width: side, height: side, data: cut };
}

export interface PlainBeltOptions {
  readonly seed: number;
  /** Length of a part and distance between two parts, shares of the region's width. */
  readonly length: number;
  readonly gap: number;
  /** Width of a part across the belt, share of the region. */
  readonly across?: number;
  /** Region widths per second. */
  readonly speed: number;
  /** Stop of each part in the middle, ms. */
  readonly dwellMs?: number;
  /** Difference between parts: 0 identical, 1 each with its own brightness and texture. */
  readonly variety?: number;
  /** Levels of texture on the parts, and on the belt. */
  readonly texture?: number;
  readonly beltTexture?: number;
  /** The texture of the belt moves with it. */
  readonly beltMoves?: boolean;
  readonly partLevel?: number;
  readonly beltLevel?: number;
}

/** Side of the image, pixels: the size used by the presence trigger. */
const SIDE = 64;

/** A belt with rectangular parts one after the other. */
export function plainBelt(options: PlainBeltOptions): Belt {
  const { seed, length, gap, speed, across = 1, dwellMs = 0, variety = 0 } = options;
  const { texture = 20, beltTexture = 12, beltMoves = false, partLevel = 170, beltLevel = 90 } = options;
  const pitch = length + gap;
  const travelMs = (pitch / speed) * 1_000;
  const { next } = seededRandom(seed);
  const grain = Array.from({ length: 64 * 64 }, () => 2 * next() - 1);
  const noises = Float32Array.from({ length: 8191 }, () => 3 * (next() + next() + next() - 1.5));

  /** Distance that the belt has moved, region widths. */
  const travelled = (beltMs: number) => {
    if (dwellMs === 0) return (beltMs / 1_000) * speed;
    const turn = Math.floor(beltMs / (travelMs + dwellMs));
    return turn * pitch + Math.min(pitch, ((beltMs - turn * (travelMs + dwellMs)) / 1_000) * speed);
  };
  /** Left end of a part; part 1 is centred after one pitch. */
  const placeOf = (serial: number, moved: number) => 0.5 - length / 2 + moved - serial * pitch;
  const near = (moved: number) => {
    const last = Math.floor((moved + 0.5) / pitch) + 1;
    const first = Math.max(1, Math.floor((moved - 0.5 - length) / pitch));
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => first + n);
  };

  return {
    draw(beltMs, noise) {
      const moved = travelled(beltMs);
      const data = new Uint8Array(SIDE * SIDE * 3);
      const places = near(moved).map((serial) => ({
        serial,
        left: placeOf(serial, moved),
        own: seededRandom(seed * 7919 + serial).next,
      }));
      const parts = places.map(({ serial, left, own }) => ({
        serial,
        left,
        level: partLevel + variety * 50 * (own() - 0.5),
        turn: Math.floor(variety * own() * 64),
      }));
      const shift = beltMoves ? Math.floor(moved * SIDE) : 0;
      let at = (noise * 1_237) % noises.length;
      let to = 0;
      for (let y = 0; y < SIDE; y++) {
        const onTrack = Math.abs(y / SIDE - 0.5) <= across / 2;
        const row = ((y >> 2) & 63) * 64;
        for (let x = 0; x < SIDE; x++) {
          let level = beltLevel + beltTexture * grain[row + (((x - shift + SIDE * 1_000) >> 2) & 63)]!;
          for (let n = 0; onTrack && n < parts.length; n++) {
            const part = parts[n]!;
            const u = x / SIDE - part.left;
            if (u < 0 || u >= length) continue;
            const column = (Math.floor(u * 24) + part.turn) & 63;
            level = part.level + texture * grain[row + column]!;
            if (u < 0.03 || u > length - 0.03) level -= 40;
          }
          at = at + 1 === noises.length ? 0 : at + 1;
          const value = Math.max(0, Math.min(255, Math.round(level + noises[at]!)));
          data[to++] = value;
          data[to++] = value;
          data[to++] = value;
        }
      }
      return { width: SIDE, height: SIDE, data };
    },
    shown(beltMs) {
      const moved = travelled(beltMs);
      return near(moved).flatMap((serial) => {
        const left = placeOf(serial, moved);
        const seen = Math.min(1, left + length) - Math.max(0, left);
        return seen > 0 ? [{ serial, share: seen / Math.min(1, length) }] : [];
      });
    },
  };
}

/** Parts shown and found. */
export interface Tally {
  /** Parts that entered, were in view and left while the finder was active. */
  shown: number;
  found: number;
  /** Found more than once. */
  doubled: number;
  /** Found without a doubt while at most a fifth of a part was in view. */
  madeUp: number;
  /** Delivered as failed or with a doubt. */
  doubtful: number;
  /** Number of parts missed before the first two consecutive ones were found. */
  untilFound: number;
}

/** Shows a belt to a finder, with its own clock. */
export class DrawnLine {
  /** ms since the epoch. */
  now = 1_700_000_000_000;
  fps = 25;
  /** Factor of all levels, and an offset. */
  gain = 1;
  offset = 0;
  #beltMs: number;
  #frame = 0;
  readonly #truth = new WeakMap<Frame, readonly Shown[]>();
  /** Largest share of each part in view so far. */
  readonly #seen = new Map<number, { most: number; last: number; first: number; firstShare: number }>();
  readonly #found = new Map<number, number>();
  #given: FoundPart[] = [];
  #madeUp = 0;
  #doubtful = 0;
  belt: Belt;

  constructor(belt: Belt, startMs = 0) {
    this.belt = belt;
    this.#beltMs = startMs;
  }

  /** Callback for the finder. */
  readonly give = (part: FoundPart): void => {
    this.#given.push(part);
  };

  /** Resets the counts. */
  count(): void {
    this.#seen.clear();
    this.#found.clear();
    this.#madeUp = 0;
    this.#doubtful = 0;
  }

  get beltMs(): number {
    return this.#beltMs;
  }

  /** Moves the belt to a time without showing frames. */
  jump(beltMs: number): void {
    this.#beltMs = beltMs;
  }

  /** Moves the belt until the share of a part in view is within the limits, without showing frames. */
  skipUntil(least: number, most = 1): void {
    for (let step = 0; step < 100_000; step++) {
      const share = Math.max(0, ...this.belt.shown(this.#beltMs).map((one) => one.share));
      if (share >= least && share <= most) return;
      this.#beltMs += 40;
    }
  }

  /** @param change draws something into the image */
  frame(moving = true, change?: (image: Image) => void): Frame {
    const ms = 1_000 / this.fps;
    this.now += ms;
    if (moving) this.#beltMs += ms;
    this.#frame++;
    const image = this.belt.draw(this.#beltMs, this.#frame);
    if (this.gain !== 1 || this.offset !== 0)
      for (let at = 0; at < image.data.length; at++)
        image.data[at] = Math.max(0, Math.min(255, Math.round(image.data[at]! * this.gain + this.offset)));
    change?.(image);
    const capturedAt = Math.round(this.now);
    const frame: Frame = {
      camera: 'top',
      image,
      capturedAt,
      receivedAt: capturedAt + 5,
      times: frameTimes(this.now),
      simulated: true,
    };
    this.#truth.set(frame, this.belt.shown(this.#beltMs));
    return frame;
  }

  run(
    finder: Finder,
    seconds: number,
    { moving = true, change = undefined as ((image: Image) => void) | undefined } = {},
  ): void {
    for (let n = 0; n < seconds * this.fps; n++) {
      const frame = this.frame(moving, change);
      for (const { serial, share } of this.#truth.get(frame)!) {
        const before = this.#seen.get(serial);
        if (before) {
          before.most = Math.max(before.most, share);
          before.last = this.#frame;
        } else
          this.#seen.set(serial, { most: share, last: this.#frame, first: this.#frame, firstShare: share });
      }
      finder.frame(frame);
      this.#take();
    }
  }

  #take(): void {
    for (const { frames, failure, doubt } of this.#given.splice(0)) {
      if (failure !== undefined || doubt !== undefined) this.#doubtful++;
      const best = frames
        .flatMap((frame) => this.#truth.get(frame) ?? [])
        .reduce<Shown>((most, one) => (one.share > most.share ? one : most), { serial: 0, share: 0 });
      if (best.share <= 0.2) {
        if (frames.length > 0 && failure === undefined && doubt === undefined) this.#madeUp++;
      } else this.#found.set(best.serial, (this.#found.get(best.serial) ?? 0) + 1);
    }
  }

  get tally(): Tally {
    this.#take();
    const parts = [...this.#seen]
      .filter(
        ([, { most, last, first, firstShare }]) =>
          most > 0.8 && last < this.#frame - 3 && (first > 1 || firstShare < 0.3),
      )
      .map(([serial]) => serial)
      .sort((a, b) => a - b);
    const has = parts.map((serial) => this.#found.has(serial));
    const pair = has.findIndex((one, at) => one && has[at + 1] !== false);
    return {
      shown: parts.length,
      found: has.filter(Boolean).length,
      doubled: [...this.#found.values()].filter((times) => times > 1).length,
      madeUp: this.#madeUp,
      doubtful: this.#doubtful,
      untilFound: pair < 0 ? parts.length : pair,
    };
  }
}

/** Backgrounds that outlive a finder. */
export function rememberedBackgrounds(): KeptBackgrounds {
  let kept: BackgroundLevels | undefined;
  return {
    find: () => kept,
    keep(_, levels) {
      kept = levels;
    },
  };
}
