import type { TriggerConfig } from '../../config/schema.ts';
import type { Frame } from '../../models/image.ts';
import type { Finder, Give } from './finder.ts';

type ContinuousConfig = Extract<TriggerConfig, { kind: 'continuous' }>;

/**
 * A part every `everyMs` of capture time: the newest consecutive frames, none of them in two parts.
 * Due times are on a fixed grid, so that late frames do not accumulate.
 */
export function continuousFinder({ everyMs }: ContinuousConfig, votes: number, give: Give): Finder {
  let frames: Frame[] = [];
  let dueAt: number | undefined;
  let since: number | undefined;

  return {
    frame(frame) {
      const at = frame.times.capturedAt;
      // The first frame sets the grid.
      dueAt ??= at;
      frames = [...frames, frame].slice(-votes);
      if (at < dueAt || frames.length < votes) return;
      dueAt += everyMs * (Math.floor((at - dueAt) / everyMs) + 1);
      give({ frames, since });
      since = at;
      frames = [];
    },
    lost(reason) {
      const newest = frames.at(-1);
      if (newest && dueAt !== undefined && newest.times.capturedAt >= dueAt) {
        dueAt += everyMs;
        give({ frames, failure: `camera lost: ${reason}` });
      }
      frames = [];
    },
    recipeChanged() {
      // These frames are dropped: a part has only one recipe.
      frames = [];
    },
    stop() {
      frames = [];
    },
  };
}
