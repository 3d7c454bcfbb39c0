/** Turns the events of one camera into parts with ids: decides when there is a part, and which frames show it. */

import { QcError } from '../../config/errors.ts';
import type { CameraConfig, TriggerConfig } from '../../config/schema.ts';
import { monotonicMs } from '../../models/run/monotonic.ts';
import type { CameraEvents } from '../camera/camera.ts';
import type { SetCondition } from '../camera/condition.ts';
import type { Parts } from '../inspect.ts';
import { newId } from '../lifecycle/id.ts';
import { type CommandFinder, commandFinder, type TriggerRequest } from './command.ts';
import { continuousFinder } from './continuous.ts';
import type { Finder, FoundPart } from './finder.ts';
import type { JudgedImages } from './judged.ts';
import { type KeptBackgrounds, presenceFinder } from './presence.ts';
import { PartQueue } from './queue.ts';
import { type PartsWatcher, PartsWatchers } from './watch.ts';

export interface PartsDeps {
  /** Name of the camera, used in generated part ids. */
  readonly camera: string;
  /** The recipe of parts whose trigger names none. */
  readonly recipe?: () => string;
  /** Cuts the next frames by the region of this recipe; undefined: of the active one. */
  readonly aim?: (recipe: string | undefined) => void;
  /** Called for every job when all its images are captured. */
  readonly onAcquired?: (jobId: string) => void;
  /** Called with problems for the operator: a part that does not leave, a background that is learned again. */
  readonly onNotice?: (text: string) => void;
  /** Sets a condition of the camera, such as `blind`. */
  readonly condition?: SetCondition;
  /** Storage of the empty backgrounds of `presence`; default: none. */
  readonly kept?: KeptBackgrounds;
  /** Maximum time that a part may wait to be judged, ms. */
  readonly maxWaitMs: number;
  /** Called for frames that are dropped because the model is too slow. */
  readonly onShed?: (frames: number) => void;
  /** Images that were judged for earlier parts. */
  readonly judged?: Pick<JudgedImages, 'has' | 'add'>;
  /** On the clock of `Frame.times`; default `monotonicMs`. */
  readonly now?: () => number;
}

/** The parts of one camera; after close, `next` still delivers the remaining parts and then rejects. */
export interface OpenParts extends Parts, AsyncDisposable {
  /**
   * Triggers a part; resolves with its job once the first frame captured from now on has arrived.
   * @throws QcError `camera-down`, `no-fresh-frame`, `busy`, `not-triggered` (another kind of trigger), `stopping`:
   * then the job is refused and has no part
   */
  trigger(request: TriggerRequest): Promise<{ jobId: string }>;
  /** The active recipe has changed: a started part keeps its own. @param recut frames show another region from now on */
  recipeChanged(recut: boolean): void;
  /** Uses other settings of the trigger from the next frame on; false if that needs a restart: then nothing has changed. */
  adjust(trigger: TriggerConfig): boolean;
  /** Reports what the trigger sees until the handle is disposed of. */
  watch(watcher: PartsWatcher): Disposable;
  /** Resolves once no frames are being collected for a trigger. */
  idle(): Promise<void>;
}

const neverJudged: Pick<JudgedImages, 'has' | 'add'> = { has: () => false, add: () => undefined };

/** Why an image may be older than this part; undefined if all of its images are new. */
function repeated({ frames, since }: FoundPart, judged: Pick<JudgedImages, 'has'>): string | undefined {
  if (frames.some(({ print }) => print !== undefined && judged.has(print)))
    return 'the image is identical to one that was judged for an earlier part: is the camera frozen?';
  if (
    frames.some(({ firstSeenAt }) => firstSeenAt !== undefined && since !== undefined && firstSeenAt < since)
  )
    return 'the image is identical to one from before this part: is the camera frozen?';
  return undefined;
}

/**
 * Finds the parts in a camera's events until it is closed, independently of how fast parts are taken. Every part is
 * delivered exactly once, with `failure` if the camera was lost in the middle of it.
 */
export function openParts(
  trigger: CameraConfig['trigger'],
  vote: CameraConfig['vote'],
  events: CameraEvents,
  deps: PartsDeps,
): OpenParts {
  const {
    camera,
    recipe = () => 'default',
    aim = () => undefined,
    onAcquired = () => undefined,
    onNotice = () => undefined,
    condition = () => undefined,
    kept = { find: () => undefined, keep: () => undefined },
    maxWaitMs,
    onShed = () => undefined,
    judged = neverJudged,
    now = monotonicMs,
  } = deps;
  const queue = new PartQueue({ maxWaitMs, onShed });
  const stop = new AbortController();
  const watchers = new PartsWatchers();

  const give = (found: FoundPart): string => {
    const { frames, failure } = found;
    const doubt = found.doubt ?? repeated(found, judged);
    judged.add(frames.flatMap(({ print }) => print ?? []));
    const partId = found.partId ?? `${camera}-${newId()}`;
    queue.push({
      partId,
      jobId: found.jobId ?? newId(),
      recipe: found.recipe ?? recipe(),
      frames,
      foundAt: monotonicMs(),
      ...(failure !== undefined && { failure }),
      ...(doubt !== undefined && { doubt }),
      ...(found.until && { until: found.until }),
    });
    watchers.found(partId);
    if (found.jobId !== undefined) onAcquired(found.jobId);
    return partId;
  };

  let command: CommandFinder | undefined;
  let finder: Finder;
  switch (trigger.kind) {
    case 'continuous': {
      // The previous part was not taken: it is replaced, because the newest frames are more useful.
      let last = '';
      finder = continuousFinder(trigger, vote.frames, (found) => {
        if (found.failure === undefined) queue.dropLast(last);
        const partId = give(found);
        last = found.failure === undefined ? partId : '';
      });
      break;
    }
    case 'presence':
      finder = presenceFinder(trigger, vote.frames, {
        give,
        onNotice,
        condition,
        recipe,
        kept,
        watchers,
      });
      break;
    case 'command':
      command = commandFinder(trigger, vote.frames, give, now, aim);
      finder = command;
      break;
  }

  const pump = (async () => {
    try {
      for (;;) {
        const event = await events.next(stop.signal);
        if (event.kind === 'frame') finder.frame(event.frame);
        else finder.lost(event.reason);
      }
    } catch (error) {
      finder.stop();
      queue.end(error instanceof Error ? error : new Error(String(error)));
    }
  })();

  return {
    next: (signal) => queue.take(signal),
    async trigger(request) {
      if (!command)
        throw new QcError('not-triggered', `${camera} detects parts automatically (${trigger.kind})`);
      // The recipe that is active now, even if it changes while frames are collected.
      return command.trigger({ ...request, recipe: request.recipe ?? recipe() });
    },
    recipeChanged: (recut) => finder.recipeChanged?.(recut),
    watch: (watcher) => watchers.add(watcher),
    adjust: (trigger) => finder.adjust?.(trigger) ?? false,
    idle: async () => command?.idle(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await pump;
    },
  };
}
