import type { ErrorCode } from '../../config/errors.ts';
import type { CameraConfig } from '../../config/schema.ts';
import type { Frame } from '../../models/image.ts';
import type { Aim } from './aim.ts';
import type { ClockReference } from './camera-clock.ts';
import type { SetCondition } from './condition.ts';
import type { LiveRegion } from './live-region.ts';

/** Why a decoded frame was dropped. The number of values is fixed: they are values of a metric label. */
export type DropReason =
  /** A newer frame arrived before this one was taken. */
  | 'overwritten'
  /** The agent was too busy to take it from the decoder. */
  | 'busy'
  /** Damaged in transmission: never judged. */
  | 'corrupt'
  /** Cut by a region that is no longer used. */
  | 'recut'
  /** Belongs to a part that waited too long for the model. */
  | 'overload';

/** A stream as the camera sends it, before anything is cut. */
export interface StreamFacts {
  /** Display name: `H.264`; undefined if the source does not know it. */
  readonly codec: string | undefined;
  /** Pixels of the whole image. */
  readonly width: number;
  readonly height: number;
}

/** State of the timestamps and of the camera's clock. */
export interface ClockReport {
  /** How much slower (−: faster) the timestamps run than this machine's clock, ms per ms. */
  readonly drift: number;
  /** What is wrong with the timestamps, as text; empty if nothing is. */
  readonly fault: string;
  /** Why the camera's clock is not used, as text; empty while it is used or not needed. */
  readonly cameraFault: string;
  /** For the next connection; undefined until it is known. */
  readonly reference: ClockReference | undefined;
}

/** Inputs and callbacks of an attempt. */
export interface SourceContext {
  /** The camera's name in the configuration. */
  readonly camera: string;
  readonly config: CameraConfig;
  readonly password?: string | undefined;
  /** The region to cut, which can change while frames arrive; default: the region of the configuration. */
  readonly cut?: LiveRegion | undefined;
  /** People who aim the camera: the source gives them whole images while there are any. */
  readonly aim?: Aim | undefined;
  /** Ends the attempt: the promise settles when everything it opened is closed. */
  readonly signal: AbortSignal;
  /** Whether a page shows the camera: frames then contain a preview. Called for every frame. */
  watched(): boolean;
  /** Takes a frame together with the region by which it was cut. Never blocks. */
  deliver(frame: Frame): void;
  /** Frames decoded since the last call, judged later or not. */
  received(frames: number): void;
  dropped(reason: DropReason, frames: number): void;
  /** Called before the first frame, and again when the camera changes the size of its image. */
  described?(stream: StreamFacts): void;
  /** How long this attempt may go without a key frame after damage, ms; default: the configured time. */
  readonly damageMs?: number;
  /** Something is wrong with the stream while frames arrive; an empty text clears it. */
  readonly condition?: SetCondition;
  /** Called several times a second. */
  clock?(report: ClockReport): void;
  /** The newest `ClockReport.reference`, also of an earlier attempt. */
  readonly reference?: ClockReference | undefined;
  /** A fault that does not end the attempt. The message never contains a password. */
  fault(code: ErrorCode, message: string): void;
}

/**
 * One attempt to read a camera: opens it, delivers frames until it ends, and throws a `QcError` that says why.
 * It never retries. It resolves only after `signal` aborted. When the promise settles, everything it opened is closed and
 * its child process has exited.
 */
export type CameraSource = (context: SourceContext) => Promise<void>;
