import { readFileSync } from 'node:fs';
import type { CameraCondition } from '../../../agent/camera/condition.ts';
import type { CameraSource, DropReason, SourceContext } from '../../../agent/camera/source.ts';
import { cameraSchema } from '../../../config/camera-schema.ts';
import { QcError } from '../../../config/errors.ts';
import type { Frame } from '../../../models/image.ts';
import { until } from '../../rigs/until.ts';

/** One attempt of a source under test, with all its reports. */
export interface Attempt extends AsyncDisposable {
  readonly frames: Frame[];
  readonly faults: { code: string; message: string }[];
  readonly dropped: Record<DropReason, number>;
  /** The newest text of each condition. */
  readonly conditions: Map<CameraCondition, string>;
  readonly received: number;
  watched: boolean;
  /** Waits until this number of frames has arrived in total; throws the attempt's error if it ends before. */
  reached(frames: number): Promise<Frame[]>;
  /** Waits until the attempt ends without an abort. */
  failure(timeoutMs?: number): Promise<QcError>;
  /** Aborts it and waits until it has settled. */
  stop(): Promise<void>;
}

export function attempt(
  source: CameraSource,
  settings: Record<string, unknown>,
  password?: string,
  more: Pick<SourceContext, 'aim' | 'cut'> = {},
): Attempt {
  const config = cameraSchema.parse({ stallMs: 3_000, maxFps: 25, ...settings });
  const stopping = new AbortController();
  const state = {
    frames: [] as Frame[],
    faults: [] as { code: string; message: string }[],
    dropped: { overwritten: 0, busy: 0, corrupt: 0, recut: 0, overload: 0 },
    conditions: new Map<CameraCondition, string>(),
    received: 0,
    watched: false,
  };
  let outcome: { error?: unknown } | undefined;
  const settled = source({
    ...more,
    camera: 'top',
    config,
    password,
    signal: stopping.signal,
    watched: () => state.watched,
    deliver: (frame) => void state.frames.push(frame),
    received(frames) {
      state.received += frames;
    },
    dropped(reason, frames) {
      state.dropped[reason] += frames;
    },
    condition: (condition, text) => void state.conditions.set(condition, text),
    fault: (code, message) => void state.faults.push({ code, message }),
  }).then(
    () => {
      outcome = {};
    },
    (error: unknown) => {
      outcome = { error };
    },
  );
  const stop = async () => {
    stopping.abort();
    await settled;
  };
  return Object.assign(state, {
    reached: (count: number) =>
      until(
        () => {
          if (outcome?.error) throw outcome.error;
          return state.frames.length >= count ? state.frames : undefined;
        },
        { what: `${count} frames` },
      ),
    async failure(timeoutMs = 15_000) {
      const { error } = await until(() => outcome, { timeoutMs, what: 'the end of the attempt' });
      if (error instanceof QcError) return error;
      throw new Error(`the attempt ended with ${error}`);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  });
}

/** Command lines of this process's children, by process id. */
export function children(): Map<number, string> {
  const pids = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim();
  const found = new Map<number, string>();
  for (const pid of pids.split(' ').filter(Boolean)) {
    try {
      found.set(Number(pid), readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
    } catch {
      // It ended between the two reads.
    }
  }
  return found;
}
