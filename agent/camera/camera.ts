import type { Frame, Region } from '../../models/image.ts';
import type { SetCondition } from './condition.ts';

/** What a camera delivers to those who look for parts. */
export type CameraEvent =
  | { readonly kind: 'frame'; readonly frame: Frame }
  /** The camera was lost; told once per loss, before any frame that follows it. */
  | { readonly kind: 'lost'; readonly reason: string };

/** Events of one camera, newest frame first and last: what nobody took in time is dropped and counted. */
export interface CameraEvents {
  /** The next event; rejects only when the signal aborts. */
  next(signal: AbortSignal): Promise<CameraEvent>;
}

/** A camera that is read forever: it reconnects by itself and is `down` in between. */
export interface CameraFeed extends CameraEvents, AsyncDisposable {
  readonly camera: string;
  readonly up: boolean;
  /** Why it is down; empty while up. Never contains a password. */
  readonly reason: string;
  /** Why its frames show no part as it is now; empty if they do. */
  readonly blocked: string;
  /** Conditions that do not keep it from showing parts, in words; empty if there are none. */
  readonly remarks: string;
  /** Sets or clears a condition of this camera. */
  readonly condition: SetCondition;
  /** When the newest frame was captured, ms since the epoch. */
  readonly newestAt: number | undefined;
  /** How long ago that is by the monotonic clock, ms. */
  readonly newestAgeMs: number | undefined;
  /** `Frame.print` of the newest frame. */
  readonly newestPrint: string | undefined;
  /** Age of the youngest frames on arrival, ms; undefined until it is known. */
  readonly lagMs: number | undefined;
  /** How much slower (−: faster) the timestamps of the stream run than this machine's clock, ms per ms. */
  readonly drift: number;
  /** What is cut now. */
  readonly region: Region;
  /** @throws QcError camera-region if it is too small for the image, as far as that is known */
  checkRegion(region: Region): void;
  /**
   * Cuts another region: every frame handed out from this moment on is cut by it. Resolves with the first of them, or
   * at once while the camera is down. @throws QcError camera-region, and nothing has changed
   */
  cut(region: Region): Promise<void>;
  /** When something last came of it: a frame, a fault, a new attempt; on the monotonic clock, ms. */
  readonly turnedAt: number;
  /** Something comes of it at least this often, camera or no camera, ms; else nobody reads it any more. */
  readonly turnsWithinMs: number;
  /** Adds whole-image previews to the frames while someone watches. */
  watch(on: boolean): void;
}
