/** When is there a part, and which pixels are it: one camera's events in, named parts out. */

import { QcError } from '../../config/errors.ts';
import type { CameraConfig } from '../../config/schema.ts';
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

export interface PartsDeps {
  /** Name of the camera, part of each partId made here. */
  readonly camera: string;
  /** The recipe of a part whose trigger names none. */
  readonly recipe?: () => string;
  /** The next frames are to be cut by the region of this recipe; undefined: of that in force. */
  readonly aim?: (recipe: string | undefined) => void;
  /** Called for every job whose images are all taken. */
  readonly onAcquired?: (jobId: string) => void;
  /** Told for the operator what is odd: a part that does not leave, a background learned again. */
  readonly onNotice?: (text: string) => void;
  /** Sets a condition of the camera, such as `blind`. */
  readonly condition?: SetCondition;
  /** Where the empty backgrounds of `presence` outlive the agent; default: nowhere. */
  readonly kept?: KeptBackgrounds;
  /** Maximum time that a part may wait to be judged, ms. */
  readonly maxWaitMs: number;
  /** Called for frames that are not judged because the model is too slow. */
  readonly onShed?: (frames: number) => void;
  /** Which images were judged for earlier parts. */
  readonly judged?: Pick<JudgedImages, 'has' | 'add'>;
  /** On the clock of `Frame.times`; default `monotonicMs`. */
  readonly now?: () => number;
}

/** The parts of one camera; after closing, `next` still hands out what is left and then rejects. */
export interface OpenParts extends Parts, AsyncDisposable {
  /**
   * Asks for a part now; answers with its job once the first frame captured after this moment is there.
   * @throws QcError `camera-down`, `no-fresh-frame`, `busy`, `not-triggered` (another kind of trigger), `stopping`:
   * the job is refused, and no part follows
   */
  trigger(request: TriggerRequest): Promise<{ jobId: string }>;
  /** Another recipe is in force: a part that was begun keeps its own. @param recut frames show another region from now on */
  recipeChanged(recut: boolean): void;
  /** Resolves once no frames are being collected for a trigger. */
  idle(): Promise<void>;
}

const neverJudged: Pick<JudgedImages, 'has' | 'add'> = { has: () => false, add: () => undefined };

/** Why images that came before do not show this part; undefined if all of them are new. */
function repeated({ frames, since }: FoundPart, judged: Pick<JudgedImages, 'has'>): string | undefined {
  if (frames.some(({ print }) => print !== undefined && judged.has(print)))
    return 'the image is bit by bit one that was judged for an earlier part: is the camera frozen?';
  if (
    frames.some(({ firstSeenAt }) => firstSeenAt !== undefined && since !== undefined && firstSeenAt < since)
  )
    return 'the image has not changed, not even by noise, since before this part: is the camera frozen?';
  return undefined;
}

/**
 * Looks for the parts in a camera's events, from now until closed, however slowly parts are taken.
 * Every part comes out exactly once, with `failure` where the camera was lost in the middle of it.
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
    if (found.jobId !== undefined) onAcquired(found.jobId);
    return partId;
  };

  let command: CommandFinder | undefined;
  let finder: Finder;
  switch (trigger.kind) {
    case 'continuous': {
      // Nobody took the one before: its tick is skipped, the newest frames are worth more.
      let last = '';
      finder = continuousFinder(trigger, vote.frames, (found) => {
        if (found.failure === undefined) queue.dropLast(last);
        const partId = give(found);
        last = found.failure === undefined ? partId : '';
      });
      break;
    }
    case 'presence':
      finder = presenceFinder(trigger, vote.frames, { give, onNotice, condition, recipe, kept });
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
        throw new QcError('not-triggered', `${camera} looks for parts by itself (${trigger.kind})`);
      // The recipe that is in force now, whatever comes while its frames are collected.
      return command.trigger({ ...request, recipe: request.recipe ?? recipe() });
    },
    recipeChanged: (recut) => finder.recipeChanged?.(recut),
    idle: async () => command?.idle(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await pump;
    },
  };
}
