import type { ErrorCode } from '../../config/errors.ts';
import type { CameraConfig } from '../../config/schema.ts';
import type { Frame } from '../../models/image.ts';
import type { ClockReference } from './camera-clock.ts';
import type { SetCondition } from './condition.ts';
import type { LiveRegion } from './live-region.ts';

/** Why a decoded frame was not handed over. Bounded: it is the label of a metric. */
export type DropReason =
  /** A newer frame came before anybody took it. */
  | 'overwritten'
  /** The agent was too busy to take it from the decoder. */
  | 'busy'
  /** Damaged on the way: never judged. */
  | 'corrupt'
  /** Cut by a region that no longer holds. */
  | 'recut'
  /** Of a part that waited too long for the model. */
  | 'overload';

/** A stream as the camera sends it, before anything is cut. */
export interface StreamFacts {
  /** As people write it: `H.264`; undefined if the source does not know. */
  readonly codec: string | undefined;
  /** Pixels of the whole image. */
  readonly width: number;
  readonly height: number;
}

/** What is known of the timestamps and of the camera's clock. */
export interface ClockReport {
  /** How much slower (−: faster) the timestamps run than this machine's clock, ms per ms. */
  readonly drift: number;
  /** What is wrong with the timestamps, in words; empty if nothing is. */
  readonly fault: string;
  /** Why the camera's clock is not used, in words; empty while it is, or need not be. */
  readonly cameraFault: string;
  /** Also holds for the next connection; undefined while this one does not know it. */
  readonly reference: ClockReference | undefined;
}

/** What an attempt is given, and whom it tells. */
export interface SourceContext {
  /** The camera's name in the configuration. */
  readonly camera: string;
  readonly config: CameraConfig;
  readonly password?: string | undefined;
  /** What to cut, followed while frames flow; absent: the region of the configuration, for good. */
  readonly cut?: LiveRegion | undefined;
  /** Ends the attempt: the promise settles when everything it opened is closed. */
  readonly signal: AbortSignal;
  /** Whether someone watches: frames then carry a preview. Asked again for every frame. */
  watched(): boolean;
  /** Takes a frame, which says by which region it was cut, at once and never blocks. */
  deliver(frame: Frame): void;
  /** Frames decoded since the last call, judged later or not. */
  received(frames: number): void;
  dropped(reason: DropReason, frames: number): void;
  /** Called before the first frame, and again when the camera changes its image. */
  described?(stream: StreamFacts): void;
  /** How long this attempt may go without a key frame after damage, ms; absent: what the configuration says. */
  readonly damageMs?: number;
  /** Something is wrong with the stream while frames arrive; an empty text clears it. */
  readonly condition?: SetCondition;
  /** Told several times a second. */
  clock?(report: ClockReport): void;
  /** The newest `ClockReport.reference`, also of an earlier attempt. */
  readonly reference?: ClockReference | undefined;
  /** Something wrong that does not end the attempt. The message never contains a password. */
  fault(code: ErrorCode, message: string): void;
}

/**
 * One attempt to read a camera: opens it, delivers frames until it ends, and throws a `QcError` that says why.
 * It never retries. It resolves only after `signal` aborted. Either way, what it opened is closed and its
 * child process is gone when the promise settles.
 */
export type CameraSource = (context: SourceContext) => Promise<void>;
