import { Background, type BackgroundLevels, type Foreground } from './background.ts';
import type { Thumbnail } from './thumbnail.ts';

/** Still scenes remembered beside the background: the newest, and of the older ones those that lasted longest. */
const NEWEST = 4;
const LONGEST = 4;
/** Images in which something moves, by which scenes are compared with each other: each clearly differs from the last. */
const MOVING = 16;
const CLEARLY = 0.1;
/** An image that roughly differs by this share is no scene that is known. */
const MUCH = 0.3;
/** An image shows a scene partly if this share of it differs. */
const PARTLY = { least: 0.08, most: 0.75 };
/** Fewer of them decide nothing. */
const MIN_PARTLY = 3;
/** This many times as ragged is what differs from a scene that is not the empty region. */
const RAGGED = 1.3;
/** Visits without one of the background, after which any difference counts: something lies in the region now. */
const UNRIVALLED = 3;

/** An image that the region showed at least twice in a row. */
interface Scene {
  readonly background: Background;
  /** How often it was shown, with something clearly different in between. */
  visits: number;
  /** Something clearly different is shown, or was since its last visit. */
  away: boolean;
  /** Visits since the background was shown. */
  unrivalled: number;
  /** It was the confirmed background and has not been refuted. */
  confirmed: boolean;
  /** It was confirmed in an earlier run. */
  readonly kept: boolean;
  /** How long it was shown at most, and when last, frames. */
  frames: number;
  lastAt: number;
}

/**
 * Which image is the empty region. What is shown first may hold a part, so it is a guess; so is what was kept from the
 * last run, because the camera may have been moved since.
 *
 * - A scene is an image that stays for two frames. The empty region is the scene that returns between parts.
 * - A part that stops in the same place returns as well. While a part comes or goes, it differs from the empty region
 *   in one plain area, and the rest is the same. From another part it differs here and there, in a ragged area. Of two
 *   scenes, the empty one is therefore the one from which moving images differ in the plainer areas.
 * - The background is confirmed when it returns and no other scene is much plainer. A confirmed background is replaced
 *   by the same rule only.
 *
 * While the region is empty and the background is confirmed, nothing of this costs anything.
 */
export class EmptyScene {
  readonly #enter: number;
  readonly #leave: number;
  #current: Scene = newScene(new Background());
  #others: Scene[] = [];
  #moving: Thumbnail[] = [];
  /** First image of what is shown now. */
  #anchor: { readonly background: Background; readonly picture: Thumbnail; frames: number } | undefined;
  #last: Thumbnail | undefined;
  #frames = 0;

  /** @param enter share of the region from which on an image is clearly different @param leave share up to which it is the same */
  constructor(enter: number, leave: number) {
    this.#enter = enter;
    this.#leave = leave;
  }

  get background(): Background {
    return this.#current.background;
  }

  get confirmed(): boolean {
    return this.#current.confirmed;
  }

  /** Begins with what is shown next; a background that was kept is confirmed as soon as it is shown. */
  startOver(kept?: BackgroundLevels): void {
    this.#others = [];
    this.#moving = [];
    this.#anchor = undefined;
    this.#current = newScene(kept ? Background.from(kept) : new Background());
    if (kept) Object.assign(this.#current, { visits: 1, away: true, kept: true });
  }

  /** Learns the background again; the one before is back as soon as it is shown again. */
  relearn(): void {
    if (this.#current.confirmed)
      this.#others = [this.#current, ...this.#others.filter(({ confirmed }) => !confirmed)];
    this.#current = newScene(new Background());
    this.#anchor = undefined;
  }

  /** The stream was interrupted: the next image does not follow the last. */
  interrupted(): void {
    this.#anchor = undefined;
    this.#last = undefined;
  }

  /**
   * Takes note of an image that was compared with the background.
   * @returns `replaced` if another scene is the background from now on, and this image shows it
   */
  look(picture: Thumbnail, seen: Foreground): 'replaced' | undefined {
    this.#frames++;
    const last = this.#last ?? picture;
    this.#last = picture;
    const current = this.#current;
    if (seen.share < this.#leave) {
      this.#visit(current);
      for (const other of this.#others) Object.assign(other, { away: true, unrivalled: 0 });
      this.#anchor = undefined;
      current.confirmed ||= current.visits >= 2 && (current.kept || !this.#isClearer(this.#others));
      return undefined;
    }
    if (seen.share > this.#enter) current.away = true;
    const anchor = this.#anchor;
    const changed = anchor ? anchor.background.roughShareOf(picture) : 1;
    if (!anchor || changed > this.#leave) {
      if (anchor && anchor.frames === 1) this.#remember(anchor.picture);
      if (anchor && changed > this.#enter) for (const other of this.#others) other.away = true;
      this.#anchor = { background: Background.of(picture, last), picture, frames: 1 };
      return undefined;
    }
    anchor.frames++;
    if (anchor.frames > 2) {
      const shown = this.#others.find(({ lastAt }) => lastAt === this.#frames - 1);
      if (shown) {
        shown.lastAt = this.#frames;
        shown.frames = Math.max(shown.frames, anchor.frames);
      }
      return undefined;
    }
    return this.#settled(anchor.picture, picture);
  }

  /** The image has stayed for two frames. */
  #settled(one: Thumbnail, picture: Thumbnail): 'replaced' | undefined {
    let shown: Scene | undefined;
    let least = this.#leave;
    for (const other of this.#others) {
      const rough = other.background.roughShareOf(picture);
      const share = rough > MUCH ? rough : other.background.compare(picture).share;
      if (share > this.#enter) other.away = true;
      if (share < least) [shown, least] = [other, share];
    }
    if (!shown) {
      this.#remember(picture);
      shown = newScene(Background.of(picture, one));
      this.#others.push(shown);
      this.#forget();
    }
    this.#visit(shown);
    shown.lastAt = this.#frames;
    if (!this.#replaces(shown)) return undefined;
    const before = this.#current;
    this.#others = this.#others.filter((other) => other !== shown);
    // What was refuted must prove itself again.
    Object.assign(before, { confirmed: false, visits: 0, away: true, lastAt: this.#frames });
    this.#others.push(before);
    shown.confirmed = true;
    this.#current = shown;
    this.#anchor = undefined;
    return 'replaced';
  }

  #visit(scene: Scene): void {
    if (scene.away || scene.visits === 0) {
      scene.visits++;
      scene.unrivalled++;
    }
    scene.away = false;
  }

  #replaces(scene: Scene): boolean {
    if (scene.confirmed && !this.#current.confirmed) return true;
    // A part that stops returns with every part: once the background is confirmed, every time would be too often.
    const often = this.#current.confirmed && scene.unrivalled !== UNRIVALLED && !isPowerOfTwo(scene.visits);
    if (scene.visits < 2 || often) return false;
    // Learned from what moved, and never shown.
    if (this.#current.visits === 0) return true;
    return this.#isClearer([scene], scene.unrivalled >= UNRIVALLED ? 1 : RAGGED);
  }

  /** Whether what moves differs in plainer areas from one of these scenes than from the background, by a factor. */
  #isClearer(scenes: readonly Scene[], factor = RAGGED): boolean {
    // A background learned from moving parts tolerates nearly everything: compare all with the same tolerance.
    const noise = Math.max(
      this.#current.background.noise,
      ...scenes.map(({ background }) => background.noise),
    );
    const current = this.#raggedness(this.#current, noise);
    return scenes.some((scene) => factor * this.#raggedness(scene, noise) < current);
  }

  #raggedness({ background }: Scene, noise: number): number {
    let sum = 0;
    let count = 0;
    for (const picture of this.#moving) {
      const seen = background.differsFrom(picture, noise);
      if (seen.share < PARTLY.least || seen.share > PARTLY.most) continue;
      sum += raggedness(seen);
      count++;
    }
    return count < MIN_PARTLY ? Number.POSITIVE_INFINITY : sum / count;
  }

  #remember(picture: Thumbnail): void {
    const last = this.#moving.at(-1);
    // While a part creeps, its images resemble each other, and not only in what they show of the empty region.
    if (last && Background.of(last, last).roughShareOf(picture) < CLEARLY) return;
    this.#moving.push(picture);
    if (this.#moving.length > MOVING) this.#moving.shift();
  }

  #forget(): void {
    if (this.#others.length <= NEWEST + LONGEST) return;
    const older = this.#others
      .filter(({ confirmed }) => !confirmed)
      .sort((a, b) => b.lastAt - a.lastAt)
      .slice(NEWEST);
    const worth = ({ visits, frames, lastAt }: Scene) =>
      (visits * visits * frames) / (this.#frames - lastAt + 1);
    const least = older.reduce((a, b) => (worth(b) < worth(a) ? b : a));
    this.#others = this.#others.filter((other) => other !== least);
  }
}

/** How long the edge of what differs is, for its size: low for one plain area, high for many small ones. */
function raggedness({ width, height, mask, share }: Foreground): number {
  let edges = 0;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (x + 1 < width && mask[at] !== mask[at + 1]) edges++;
      if (y + 1 < height && mask[at] !== mask[at + width]) edges++;
    }
  }
  return edges / (share * (1 - share) * mask.length);
}

function newScene(background: Background): Scene {
  return {
    background,
    visits: 0,
    unrivalled: 0,
    away: false,
    confirmed: false,
    kept: false,
    frames: 2,
    lastAt: 0,
  };
}

function isPowerOfTwo(value: number): boolean {
  return (value & (value - 1)) === 0;
}
