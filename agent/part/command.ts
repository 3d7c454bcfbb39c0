import { QcError } from '../../config/errors.ts';
import type { TriggerConfig } from '../../config/schema.ts';
import type { Frame } from '../../models/image.ts';
import { newId } from '../lifecycle/id.ts';
import type { Finder, Give } from './finder.ts';

type CommandConfig = Extract<TriggerConfig, { kind: 'command' }>;

export interface TriggerRequest {
  readonly partId?: string | undefined;
  readonly recipe?: string | undefined;
  /** Generated if not given. */
  readonly jobId?: string | undefined;
  /** Aborts with a QcError as the reason when the job must end: it is refused if it has no frame, otherwise it fails. */
  readonly until?: AbortSignal | undefined;
}

export interface CommandFinder extends Finder {
  trigger(request: TriggerRequest): Promise<{ jobId: string }>;
  /** Resolves once no frames are being collected. */
  idle(): Promise<void>;
}

interface CollectedJob {
  readonly request: TriggerRequest;
  readonly jobId: string;
  readonly triggeredAt: number;
  readonly frames: Frame[];
  readonly accept: () => void;
  readonly refuse: (error: QcError) => void;
}

/**
 * A part on command: the first frame captured at or after the trigger, and the following ones. Frames are collected for one
 * job at a time. A refused job has no part; an accepted one always has one.
 * @param aim sets the recipe by whose region the next frames are cut; undefined: the active one
 */
export function commandFinder(
  { timeoutMs }: CommandConfig,
  votes: number,
  give: Give,
  now: () => number,
  aim: (recipe: string | undefined) => void,
): CommandFinder {
  let job: CollectedJob | undefined;
  let timer: NodeJS.Timeout | undefined;
  let down: string | undefined;
  let stopped = false;
  const idle: (() => void)[] = [];

  const over = () => {
    clearTimeout(timer);
    job?.request.until?.removeEventListener('abort', end);
    job = undefined;
    aim(undefined);
    for (const resolve of idle.splice(0)) resolve();
  };
  const finish = (failure?: string) => {
    if (!job) return;
    const { request, jobId, frames, triggeredAt: since } = job;
    const { partId, recipe, until } = request;
    over();
    give({
      frames,
      since,
      jobId,
      until,
      ...(partId !== undefined && { partId }),
      ...(recipe !== undefined && { recipe }),
      ...(failure !== undefined && { failure }),
    });
  };
  /** Ends a job that cannot be completed: refused before its jobId was returned, failed afterwards. */
  const abandon = (error: QcError, failure: string) => {
    if (!job) return;
    if (job.frames.length > 0) return finish(failure);
    job.refuse(error);
    over();
  };

  const end = () => {
    const reason: unknown = job?.request.until?.reason;
    const error = reason instanceof QcError ? reason : new QcError('job-aborted', String(reason));
    abandon(error, error.message);
  };

  return {
    trigger(request) {
      return new Promise((resolve, reject) => {
        if (stopped) throw new QcError('stopping', 'the agent is stopping');
        if (down !== undefined) throw new QcError('camera-down', `the camera is down: ${down}`);
        if (job) throw new QcError('busy', 'the frames of an earlier trigger are still being collected');
        aim(request.recipe);
        const { until, jobId = newId() } = request;
        until?.addEventListener('abort', end, { once: true });
        job = {
          request,
          jobId,
          triggeredAt: now(),
          frames: [],
          accept: () => resolve({ jobId }),
          refuse: reject,
        };
        timer = setTimeout(() => {
          over();
          reject(
            new QcError('no-fresh-frame', `no frame was captured within ${timeoutMs} ms of the trigger`),
          );
        }, timeoutMs);
      });
    },
    idle: () => (job ? new Promise((resolve) => idle.push(resolve)) : Promise.resolve()),
    frame(frame) {
      down = undefined;
      if (!job || frame.times.capturedAt < job.triggeredAt) return;
      if (job.frames.length === 0) {
        clearTimeout(timer);
        job.accept();
      }
      job.frames.push(frame);
      if (job.frames.length === votes) finish();
    },
    lost(reason) {
      down = reason;
      abandon(new QcError('camera-down', `the camera was lost: ${reason}`), `camera lost: ${reason}`);
    },
    stop() {
      stopped = true;
      abandon(new QcError('stopping', 'the agent is stopping'), 'the agent stopped');
    },
  };
}
