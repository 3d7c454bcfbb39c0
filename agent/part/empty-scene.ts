import { Background, type BackgroundLevels, type Foreground } from './background.ts';
import type { Thumbnail } from './thumbnail.ts';

/** Number of remembered still scenes besides the background: the newest ones, and those older ones that lasted longest. */
const NEWEST = 4;
const LONGEST = 4;
/** Number of images with motion for the comparison of scenes; each clearly differs from the last. */
const MOVING = 16;
const CLEARLY = 0.1;
/** An image that differs by about this share is not a known scene. */
const MUCH = 0.3;
/** An image shows a scene partly if this share of it differs. */
const PARTLY = { least: 0.08, most: 0.75 };
/** Minimum number of such images for a decision. */
const MIN_PARTLY = 3;
/** The difference from a scene that is not the empty region is this many times as ragged. */
const RAGGED = 1.3;
/**
 * Number of visits of a scene without one of the background after which any difference counts: then something new is in the
 * region.
 */
const UNRIVALLED = 3;

/** An image that the region showed for at least two frames. */
interface Scene {
  readonly background: Background;
  /** Number of visits, with something clearly different in between. */
  visits: number;
  /** Whether something clearly different was shown since its last visit. */
  away: boolean;
  /** Number of visits since the background was shown. */
  unrivalled: number;
  /** Whether it was the confirmed background and was not refuted. */
  confirmed: boolean;
  /** Whether it was confirmed in an earlier run. */
  readonly kept: boolean;
  /** Its longest duration and its last appearance, frames. */
  frames: number;
  lastAt: number;
}

/**
 * Determines which image is the empty region. The first image may contain a part, so it is only a guess; so is the stored
 * background of the last run, because the camera may have been moved since.
 *
 * - A scene is an image that stays for two frames. The empty region is the scene that returns between parts.
 * - A part that always stops in the same place returns as well. An image of a moving part differs from the empty region in
 *   one compact area. From an image of another part it differs in many small places (a ragged area). So of two scenes, the
 *   empty one is the one from which moving images differ in more compact areas.
 * - The background is confirmed when it returns and no other scene gives much more compact differences. A confirmed
 *   background is replaced by the same rule only.
 *
 * While the region is empty and the background is confirmed, this costs nothing.
 */
export class EmptyScene {
  #enter: number;
  #leave: number;
  #current: Scene = newScene(new Background());
  #others: Scene[] = [];
  #moving: Thumbnail[] = [];
  /** First image of the current scene. */
  #anchor: { readonly background: Background; readonly picture: Thumbnail; frames: number } | undefined;
  #last: Thumbnail | undefined;
  #frames = 0;

  /**
   * @param enter minimum share of the region that makes an image clearly different @param leave maximum share at which it
   * is the same
   */
  constructor(enter: number, leave: number) {
    this.#enter = enter;
    this.#leave = leave;
  }

  /** Uses other thresholds from the next image on. */
  adjust(enter: number, leave: number): void {
    this.#enter = enter;
    this.#leave = leave;
  }

  get background(): Background {
    return this.#current.background;
  }

  get confirmed(): boolean {
    return this.#current.confirmed;
  }

  /** Starts with the next image; a stored background is confirmed as soon as it is shown. */
  startOver(kept?: BackgroundLevels): void {
    this.#others = [];
    this.#moving = [];
    this.#anchor = undefined;
    this.#current = newScene(kept ? Background.from(kept) : new Background());
    if (kept) Object.assign(this.#current, { visits: 1, away: true, kept: true });
  }

  /** Learns the background again; the previous one is restored as soon as it is shown again. */
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
   * Processes an image that was compared with the background.
   * @returns `replaced` if another scene becomes the background and this image shows it
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

  /** Called when an image has stayed for two frames. */
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
    // A refuted background must be confirmed again.
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
    // A part that stops returns as often as parts do: once the background is confirmed, not every visit is checked.
    const often = this.#current.confirmed && scene.unrivalled !== UNRIVALLED && !isPowerOfTwo(scene.visits);
    if (scene.visits < 2 || often) return false;
    // A background learned from moving parts and never shown.
    if (this.#current.visits === 0) return true;
    return this.#isClearer([scene], scene.unrivalled >= UNRIVALLED ? 1 : RAGGED);
  }

  /** Whether moving images differ from one of these scenes in more compact areas than from the background, by a factor. */
  #isClearer(scenes: readonly Scene[], factor = RAGGED): boolean {
    // A background learned from moving parts tolerates nearly everything, so all are compared with the same tolerance.
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
    // Images of a slowly moving part resemble each other, also outside of the empty region.
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

/** Length of the edge of the differing area relative to its size: low for one compact area, high for many small ones. */
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
