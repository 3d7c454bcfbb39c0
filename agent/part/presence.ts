import type { TriggerConfig } from '../../config/schema.ts';
import type { Frame } from '../../models/image.ts';
import { Background, countOf, differing, type Foreground } from './background.ts';
import type { Finder, Give } from './finder.ts';
import { type Blob, blobs, samePlace, widened } from './holes.ts';
import { BestViews, rate } from './quality.ts';
import { isDark, type Thumbnail, thumbnail } from './thumbnail.ts';

type PresenceConfig = Extract<TriggerConfig, { kind: 'presence' }>;

/** Frames in a row below `leave` after which a part has left. */
const GONE_FRAMES = 2;
/** Frames in a row that are clearly worse than the best, or hardly differ: the peak has passed, the part stands. */
const PASSED_FRAMES = 3;
const STILL_FRAMES = 3;
/** Lights off for so many frames: what was seen of the part is all there will be. */
const DARK_FRAMES = 5;
/** Frames in a row that hardly differ from each other, with less than `enter` in view: dirt that a part left behind. */
const RESIDUE_FRAMES = 12;
/** A part in view for longer is worth a notice, ms. */
const STUCK_MS = 30_000;

interface PartInView {
  /** The recipe that was in force when it came. */
  readonly recipe: string;
  readonly enteredAt: number;
  readonly views: BestViews;
  /** Its first picture showed something that did not come in over the rim. */
  readonly beganInside: boolean;
  given: boolean;
  stuckSaid: boolean;
  gone: number;
  worse: number;
  still: number;
}

/**
 * A part is what differs from the empty background by more than `enter` of the region, until less than `leave`
 * differs for two frames; two parts are told apart when the region is empty for two frames between them.
 * Dirt of less than `enter` that a part leaves behind does not keep it in view. It is given once, from its best
 * views: as soon as it is past its best or stands still whole, at the latest when it leaves.
 *
 * What is in view at the start: the background is the median of the first frames with light, so what moves
 * through leaves no trace in it; what stands there is learned with it. When that moves on it is a part like any
 * other, and the hole it leaves is recognised (its contour is in the background, not in the picture) and learned.
 * Holes are looked for only until something has come and gone and left the background as it was: from then on
 * the background is proven.
 */
export function presenceFinder(
  { enter, leave, relearnAfterMs }: PresenceConfig,
  votes: number,
  give: Give,
  onNotice: (text: string) => void,
  recipe: () => string,
): Finder {
  const background = new Background();
  let proven = false;
  let part: PartInView | undefined;
  let last: Thumbnail | undefined;
  let lastHoles: Blob[] = [];
  let dark = 0;

  const giveOnce = (failure?: string) => {
    if (!part || part.given) return;
    part.given = true;
    give({
      frames: part.views.frames,
      since: part.enteredAt,
      recipe: part.recipe,
      ...(failure !== undefined && { failure }),
    });
  };
  const startOver = () => {
    background.reset();
    proven = false;
    part = undefined;
    lastHoles = [];
  };

  /** Learns holes that stay where they are; what remains is the part. */
  const withoutHoles = (seen: Foreground, picture: Thumbnail): { solid: Foreground; inside: boolean } => {
    if (proven || seen.share <= leave) return { solid: seen, inside: false };
    const areas = blobs(seen, picture);
    const inside = areas.some(({ touchesRim }) => !touchesRim);
    if (!(part?.beganInside ?? inside)) return { solid: seen, inside };
    const holes = areas.filter(({ hole }) => hole);
    const mask = seen.mask.slice();
    for (const hole of holes) {
      for (const at of hole.pixels) mask[at] = 0;
      if (lastHoles.some((earlier) => samePlace(earlier, hole)))
        background.patch(widened(hole, seen), picture);
    }
    lastHoles = holes;
    return { solid: { ...seen, mask, share: countOf(mask) / mask.length }, inside };
  };

  const look = (frame: Frame, picture: Thumbnail, seen: Foreground) => {
    const { solid, inside } = withoutHoles(seen, picture);
    if (!part) {
      if (solid.share > enter) {
        part = {
          recipe: recipe(),
          enteredAt: frame.times.capturedAt,
          views: new BestViews(votes),
          beganInside: inside,
          given: false,
          stuckSaid: false,
          gone: 0,
          worse: 0,
          still: 0,
        };
      } else if (seen.share < enter) {
        background.follow(picture, seen);
        return;
      } else return;
    }
    part.still = last && isStill(last, picture, seen) ? part.still + 1 : 0;
    const residue = seen.share < enter && part.given && part.still >= RESIDUE_FRAMES;
    if (seen.share < leave || residue) {
      if (++part.gone < GONE_FRAMES) return;
      giveOnce();
      part = undefined;
      proven = true;
      return;
    }
    part.gone = 0;
    if (!part.given && solid.share >= leave) weigh(part, frame, solid);
    watchStuck(part, frame);
  };

  const weigh = (current: PartInView, frame: Frame, solid: Foreground) => {
    const view = rate(frame, solid);
    current.views.add(view);
    const { best, complete } = current.views;
    if (!best?.whole) return;
    current.worse = !view.whole || view.quality < 0.9 * best.quality ? current.worse + 1 : 0;
    // Cut by the rim after it was whole: it is leaving, and gets no better.
    const leaving = !view.whole && (complete || current.worse >= PASSED_FRAMES);
    const passed = complete && current.worse >= PASSED_FRAMES;
    const stands = complete && current.still >= STILL_FRAMES;
    if (leaving || passed || stands) giveOnce();
  };

  const watchStuck = (current: PartInView, frame: Frame) => {
    const sinceMs = frame.times.capturedAt - current.enteredAt;
    if (sinceMs >= STUCK_MS && !current.stuckSaid) {
      current.stuckSaid = true;
      onNotice(
        current.given
          ? `a part has been in view for ${STUCK_MS / 1000} s; nothing else is judged until it leaves`
          : `a part has been in view for ${STUCK_MS / 1000} s without being seen whole and at rest; it is judged when it leaves: is the region too small?`,
      );
    }
    if (relearnAfterMs === 0 || sinceMs < relearnAfterMs) return;
    giveOnce();
    startOver();
    onNotice(`something stayed in view for ${relearnAfterMs / 1000} s and is now taken for the background`);
  };

  return {
    frame(frame) {
      const picture = thumbnail(frame.image);
      if (last && (last.width !== picture.width || last.height !== picture.height)) {
        giveOnce('the picture changed its shape');
        startOver();
        last = undefined;
      }
      if (isDark(picture)) {
        if (++dark === DARK_FRAMES) giveOnce();
        return;
      }
      dark = 0;
      if (background.learned) look(frame, picture, background.compare(picture));
      else background.learn(picture);
      last = picture;
    },
    recipeChanged(recut) {
      if (!recut) return;
      // What was seen of a part is all there will be: the next frames show another place.
      giveOnce(part && part.views.frames.length === 0 ? 'the recipe changed before it was seen' : undefined);
      startOver();
      last = undefined;
    },
    lost(reason) {
      giveOnce(`camera lost: ${reason}`);
      last = undefined;
    },
    stop() {
      giveOnce('the agent stopped');
    },
  };
}

/** True where hardly a pixel changed since the last picture, compared with the size of the part. */
function isStill(
  last: Thumbnail,
  { luma, width, height }: Thumbnail,
  { mask, tolerance }: Foreground,
): boolean {
  return countOf(differing(luma, last.luma, tolerance, width, height)) <= 0.03 * countOf(mask);
}
