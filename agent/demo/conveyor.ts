/** The moving line: position of each part at any time, and the image of the camera. */

import { mixSeeds, seededRandom } from '../../calibration/train/random.ts';
import type { Image } from '../../models/image.ts';
import { defectKinds } from './defects.ts';
import { layoutOf } from './layout.ts';
import { type Label, type PartPlan, paintPart, planPart, type Sprite } from './part.ts';
import { type Light, lightFrom, openScene, type Placed, type Scene } from './scene.ts';
import type { Truth } from './truth.ts';

export interface ConveyorOptions {
  readonly partsPerMinute: number;
  readonly seed: number;
  /** When the belt starts, empty; the first part is centred one interval later. Ms since the epoch. */
  readonly startedAt: number;
}

export interface Conveyor {
  /** The image at a given time, in any size; its buffer is overwritten by the next call. */
  draw(at: number, width: number, height: number): Image;
  /** When the part with this number (from 1) is in the region, and its defect. */
  truthOf(serial: number): Truth;
}

/** Of 13 parts, 8 are good and each defect occurs once, in any order. */
const bag: readonly Label[] = [...Array<Label>(8).fill('good'), ...defectKinds];

export function openConveyor({ partsPerMinute, seed, startedAt }: ConveyorOptions): Conveyor {
  const intervalMs = 60_000 / partsPerMinute;
  const phaseAt = (at: number) => (at - startedAt) / intervalMs;
  const timeOf = (phase: number) => startedAt + phase * intervalMs;
  const sprites = new Map<string, Sprite>();
  let scene: Scene | undefined;

  function planOf(serial: number): PartPlan & { readonly sidestep: number } {
    const round = Math.floor((serial - 1) / bag.length);
    const order = seededRandom(mixSeeds(seed, 11, round)).shuffled(bag);
    const random = seededRandom(mixSeeds(seed, 12, serial));
    const sidestep = random.between(-1, 1);
    return { ...planPart(order[(serial - 1) % bag.length]!, random), sidestep };
  }

  /** Painted once when the part first appears; the last few are cached. */
  function spriteOf(serial: number, plan: PartPlan, radius: number): Sprite {
    const key = `${serial}/${radius}`;
    const known = sprites.get(key);
    if (known) return known;
    const sprite = paintPart(plan, radius, lightAt(seed, timeOf(serial) - startedAt).angle);
    sprites.set(key, sprite);
    for (const old of [...sprites.keys()].slice(0, -3)) sprites.delete(old);
    return sprite;
  }

  return {
    draw(at, width, height) {
      if (scene?.width !== width || scene.height !== height) scene = openScene(width, height, seed);
      const layout = layoutOf(width, height);
      const travelled = travel(phaseAt(at));
      const reach = (width / 2 + layout.partRadius * 1.2) / layout.spacing;
      const placed: Placed[] = [];
      for (let serial = Math.max(1, Math.ceil(travelled - reach)); serial <= travelled + reach; serial++) {
        const plan = planOf(serial);
        placed.push({
          sprite: spriteOf(serial, plan, layout.partRadius),
          x: layout.centre.x + (travelled - serial) * layout.spacing,
          y: layout.centre.y + plan.sidestep * layout.sidestep,
        });
      }
      const noiseSeed = mixSeeds(seed, Math.round(at) % 2 ** 31);
      return scene.draw(travelled * layout.spacing, placed, lightAt(seed, at - startedAt), noiseSeed);
    },

    truthOf(serial) {
      const layout = layoutOf(640, 480);
      const halfway = (layout.regionSide / 2 + layout.partRadius) / layout.spacing;
      return {
        serial,
        label: planOf(serial).label,
        enteredAt: timeOf(phaseOf(serial - halfway)),
        centredAt: timeOf(serial),
        leftAt: timeOf(phaseOf(serial + halfway)),
      };
    },
  };
}

/**
 * How far the belt has moved, in spacings, after some intervals. It is slow under the camera (a tenth of its mean speed
 * while a part is centred) and fast in between, as an indexing conveyor is.
 */
function travel(phase: number): number {
  const turn = 2 * Math.PI * phase;
  return phase - (0.4 * Math.sin(turn)) / (2 * Math.PI) - (0.5 * Math.sin(2 * turn)) / (4 * Math.PI);
}

/** The inverse of `travel`, which is monotonic, by bisection. */
function phaseOf(travelled: number): number {
  let low = travelled - 0.5;
  let high = travelled + 0.5;
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2;
    if (travel(middle) < travelled) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Light that varies within the bounds of `anyLight`. */
function lightAt(seed: number, sinceStartMs: number): Light {
  const random = seededRandom(mixSeeds(seed, 13));
  const wander = (extent: number) => {
    const seconds = random.between(9, 31);
    return extent * Math.sin(random.between(0, 2 * Math.PI) + (sinceStartMs / 1_000 / seconds) * 2 * Math.PI);
  };
  return {
    gain: 1 + wander(0.1),
    slopeX: wander(0.12),
    slopeY: wander(0.1),
    warmth: wander(0.03),
    angle: lightFrom + wander(0.6),
  };
}
