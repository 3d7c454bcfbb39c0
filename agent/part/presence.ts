import type { TriggerConfig } from '../../config/schema.ts';
import type { Frame, Region } from '../../models/image.ts';
import type { SetCondition } from '../camera/condition.ts';
import { type BackgroundLevels, countOf, differing, type Foreground } from './background.ts';
import { EmptyScene } from './empty-scene.ts';
import type { Finder, Give } from './finder.ts';
import { type Blob, blobs, samePlace, widened } from './holes.ts';
import { BestViews, rate } from './quality.ts';
import { Sight } from './sight.ts';
import { isDark, type Thumbnail, thumbnail } from './thumbnail.ts';
import type { PartsWatchers, PresenceLook } from './watch.ts';

type PresenceConfig = Extract<TriggerConfig, { kind: 'presence' }>;

/** Consecutive frames below `leave` after which a part has left. */
const GONE_FRAMES = 2;
/**
 * Consecutive frames that are clearly worse than the best (the best view has passed), or that hardly differ (the part is at
 * rest).
 */
const PASSED_FRAMES = 3;
const STILL_FRAMES = 3;
/** After this many dark frames the light is off, and the part is delivered as seen so far. */
const DARK_FRAMES = 5;
/** Consecutive frames that hardly differ from each other, with less than `enter` in view: dirt left by a part. */
const RESIDUE_FRAMES = 12;
/** The background is written to disk when it is confirmed, and then at most at this interval, ms of capture time. */
const KEEP_MS = 600_000;

const whole: Region = { x: 0, y: 0, width: 1, height: 1 };

/** Identifies the empty region of a background. */
export interface BackgroundView {
  readonly region: Region;
  /** Size of the thumbnail, pixels. */
  readonly width: number;
  readonly height: number;
}

/** Storage of backgrounds. */
export interface KeptBackgrounds {
  find(view: BackgroundView): BackgroundLevels | undefined;
  keep(view: BackgroundView, levels: BackgroundLevels): void;
}

export interface PresenceDeps {
  readonly give: Give;
  /** Called with problems for the operator. */
  readonly onNotice: (text: string) => void;
  readonly condition: SetCondition;
  /** The active recipe. */
  readonly recipe: () => string;
  readonly kept: KeptBackgrounds;
  readonly watchers?: Pick<PartsWatchers, 'looked'>;
}

interface PartInView {
  /** The recipe that was active when it arrived. */
  readonly recipe: string;
  readonly enteredAt: number;
  readonly views: BestViews;
  /** Whether its first image showed something that did not enter over the rim. */
  readonly beganInside: boolean;
  /**
   * Whether its whole contour was seen in front of the background: then it is a part even if the background is not
   * confirmed.
   */
  inFront: boolean;
  /** Why its images may show something else. */
  doubt?: string;
  given: boolean;
  gone: number;
  worse: number;
  still: number;
}

/**
 * A part is what differs from the empty background by more than `enter` of the region, until less than `leave`
 * differs for two frames; two parts are distinguished if the region is empty for two frames between them. Dirt of less than
 * `enter` that a part leaves behind does not count as the part. A part is delivered once, with its best views: as soon as
 * the best view has passed or the whole part is at rest, at the latest when it leaves.
 *
 * The image at the start may contain a part. Until the background is confirmed (`EmptyScene`), only an object with its
 * whole contour in front of it is delivered at once; others are delivered when they leave and thereby confirm the
 * background. The hole left by a part that was in the background is detected (its contour is in the background, not in the
 * image) and learned.
 */
export function presenceFinder(
  settings: PresenceConfig,
  votes: number,
  { give, onNotice, condition, recipe, kept, watchers }: PresenceDeps,
): Finder {
  let { enter, leave, relearnAfterMs } = settings;
  const empty = new EmptyScene(enter, leave);
  const sight = new Sight(condition);
  let view: BackgroundView | undefined;
  let keptAt: number | undefined;
  let part: PartInView | undefined;
  let last: Thumbnail | undefined;
  let lastHoles: Blob[] = [];
  let dark = 0;
  /** The comparison of the current frame. */
  let compared: Foreground | undefined;

  const giveOnce = (failure?: string) => {
    if (!part || part.given || !(empty.confirmed || part.inFront)) return;
    part.given = true;
    const { views, enteredAt, recipe, doubt } = part;
    give({
      frames: views.frames,
      since: enteredAt,
      recipe,
      ...(failure !== undefined && { failure }),
      ...(doubt !== undefined && { doubt }),
    });
  };
  const startOver = (next?: BackgroundView) => {
    view = next;
    keptAt = undefined;
    empty.startOver(next && kept.find(next));
    part = undefined;
    lastHoles = [];
  };
  const keep = (at: number) => {
    const { levels } = empty.background;
    if (!empty.confirmed || !view || !levels) return;
    kept.keep(view, levels);
    keptAt = at;
  };

  /** Learns holes that do not move; the rest is the part. */
  const withoutHoles = (seen: Foreground, picture: Thumbnail) => {
    if (empty.confirmed || seen.share <= leave) return { solid: seen, inside: false, inFront: false };
    const areas = blobs(seen, picture);
    const inside = areas.some(({ touchesRim }) => !touchesRim);
    const inFront = areas.some((area) => area.inFront && area.pixels.length > leave * seen.mask.length);
    if (!(part?.beganInside ?? inside)) return { solid: seen, inside, inFront };
    const holes = areas.filter(({ hole }) => hole);
    const mask = seen.mask.slice();
    for (const hole of holes) {
      for (const at of hole.pixels) mask[at] = 0;
      if (lastHoles.some((earlier) => samePlace(earlier, hole)))
        empty.background.patch(widened(hole, seen), picture);
    }
    lastHoles = holes;
    return { solid: { ...seen, mask, share: countOf(mask) / mask.length }, inside, inFront };
  };

  const look = (frame: Frame, picture: Thumbnail) => {
    const { lightSteps } = empty.background;
    const seen = empty.background.compare(picture);
    compared = seen;
    // Earlier frames were compared in another light: the best views so far may be wrong.
    if (part && empty.background.lightSteps > lightSteps && seen.share < leave)
      part.doubt = 'the light changed while the part was in view';
    const wasConfirmed = empty.confirmed;
    const replaced = empty.look(picture, seen) === 'replaced';
    if (replaced) {
      // The supposed part is the empty region.
      part = undefined;
      lastHoles = [];
      onNotice('');
    }
    if (replaced || (empty.confirmed && !wasConfirmed)) keep(frame.times.capturedAt);
    if (!replaced) follow(frame, picture, seen);
    sight.observe({
      at: frame.times.capturedAt,
      empty: replaced || (!part && seen.share < enter),
      confirmed: empty.confirmed,
      lightSteps: empty.background.lightSteps,
      part,
    });
  };

  const follow = (frame: Frame, picture: Thumbnail, seen: Foreground) => {
    const { solid, inside, inFront } = withoutHoles(seen, picture);
    if (!part) {
      if (solid.share > enter) {
        part = {
          recipe: recipe(),
          enteredAt: frame.times.capturedAt,
          views: new BestViews(votes),
          beganInside: inside,
          inFront: false,
          given: false,
          gone: 0,
          worse: 0,
          still: 0,
        };
      } else {
        if (seen.share < enter) empty.background.follow(picture, seen);
        return;
      }
    }
    part.inFront ||= inFront;
    part.still = last && isStill(last, picture, seen) ? part.still + 1 : 0;
    const residue = seen.share < enter && part.given && part.still >= RESIDUE_FRAMES;
    if (seen.share < leave || residue) {
      if (++part.gone < GONE_FRAMES) return;
      giveOnce();
      part = undefined;
      if (keptAt === undefined || frame.times.capturedAt - keptAt > KEEP_MS) keep(frame.times.capturedAt);
      return;
    }
    part.gone = 0;
    if (!part.given && solid.share >= leave) weigh(part, frame, solid);
    watchStuck(part, frame);
  };

  const weigh = (current: PartInView, frame: Frame, solid: Foreground) => {
    const rated = rate(frame, solid);
    current.views.add(rated);
    const { best, complete } = current.views;
    if (!best?.whole) return;
    current.worse = !rated.whole || rated.quality < 0.9 * best.quality ? current.worse + 1 : 0;
    // It touches the rim after it was whole: it is leaving, and its views will not improve.
    const leaving = !rated.whole && (complete || current.worse >= PASSED_FRAMES);
    const passed = complete && current.worse >= PASSED_FRAMES;
    const stands = complete && current.still >= STILL_FRAMES;
    if (leaving || passed || stands) giveOnce();
  };

  const watchStuck = (current: PartInView, frame: Frame) => {
    if (relearnAfterMs === 0 || frame.times.capturedAt - current.enteredAt < relearnAfterMs) return;
    giveOnce();
    empty.relearn();
    part = undefined;
    lastHoles = [];
    onNotice(
      `something stayed in view for ${relearnAfterMs / 1000} s and counts as the background until the previous one is seen again`,
    );
  };

  const lookOf = (at: number, isDarkNow: boolean): PresenceLook => ({
    at,
    state: isDarkNow ? 'dark' : !compared ? 'learning' : part ? 'part' : 'empty',
    enter,
    leave,
    confirmed: empty.confirmed,
    ...(compared && { share: compared.share, mask: compared }),
  });

  return {
    frame(frame) {
      compared = undefined;
      const at = frame.times.capturedAt;
      const picture = thumbnail(frame.image);
      const { width, height } = picture;
      if (!view || view.width !== width || view.height !== height) {
        giveOnce('the size of the image changed');
        startOver({ region: frame.region ?? whole, width, height });
        last = undefined;
      }
      if (isDark(picture)) {
        if (++dark === DARK_FRAMES) giveOnce();
        watchers?.looked(() => lookOf(at, true));
        return;
      }
      dark = 0;
      if (empty.background.learned) look(frame, picture);
      else empty.background.learn(picture);
      last = picture;
      watchers?.looked(() => lookOf(at, false));
    },
    recipeChanged(recut) {
      if (!recut) return;
      // The part is delivered as seen so far, because the next frames show another region.
      giveOnce(
        part && part.views.frames.length === 0 ? 'the recipe changed before the part was seen' : undefined,
      );
      startOver();
      last = undefined;
    },
    lost(reason) {
      giveOnce(`camera lost: ${reason}`);
      empty.interrupted();
      last = undefined;
    },
    adjust(trigger) {
      if (trigger.kind !== 'presence') return false;
      ({ enter, leave, relearnAfterMs } = trigger);
      empty.adjust(enter, leave);
      return true;
    },
    stop() {
      giveOnce('the agent stopped');
      if (!part) keep(0);
    },
  };
}

/** True if very few pixels changed since the last image, relative to the size of the part. */
function isStill(
  last: Thumbnail,
  { luma, width, height }: Thumbnail,
  { mask, tolerance }: Foreground,
): boolean {
  return countOf(differing(luma, last.luma, tolerance, width, height)) <= 0.03 * countOf(mask);
}
