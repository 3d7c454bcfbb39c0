import type { Frame, Region } from '../../models/image.ts';
import type { AimViewer } from './aim.ts';
import type { SetCondition } from './condition.ts';

/** What a camera delivers to a trigger. */
export type CameraEvent =
  | { readonly kind: 'frame'; readonly frame: Frame }
  /** The camera was lost; reported once per loss, before any later frame. */
  | { readonly kind: 'lost'; readonly reason: string };

/** Events of one camera. Only the newest frame is kept: frames that are not read in time are dropped and counted. */
export interface CameraEvents {
  /** The next event; rejects only when the signal aborts. */
  next(signal: AbortSignal): Promise<CameraEvent>;
}

/** A camera that reconnects automatically until it is closed; `up` is false in between. */
export interface CameraFeed extends CameraEvents, AsyncDisposable {
  readonly camera: string;
  readonly up: boolean;
  /** Why it is down; empty while up. Never contains a password. */
  readonly reason: string;
  /** Why its frames do not show the current part; empty if they do. */
  readonly blocked: string;
  /** Conditions under which it still shows parts, as text; empty if there are none. */
  readonly remarks: string;
  /** Sets or clears a condition of this camera. */
  readonly condition: SetCondition;
  /** When the newest frame was captured, ms since the epoch. */
  readonly newestAt: number | undefined;
  /** Age of the newest frame by the monotonic clock, ms. */
  readonly newestAgeMs: number | undefined;
  /** `Frame.print` of the newest frame. */
  readonly newestPrint: string | undefined;
  /** Age on arrival of the frames with the least delay, ms; undefined until it is known. */
  readonly lagMs: number | undefined;
  /** How much slower (−: faster) the timestamps of the stream run than this machine's clock, ms per ms. */
  readonly drift: number;
  /** The region that is cut now. */
  readonly region: Region;
  /** @throws QcError camera-region if it is too small for the image, as far as that is known */
  checkRegion(region: Region): void;
  /**
   * Cuts another region: every frame delivered from now on is cut by it. Resolves with the first of them, or at once while
   * the camera is down. @throws QcError camera-region; the region is then unchanged
   */
  cut(region: Region): Promise<void>;
  /** Time of the last sign of life of the reading loop (a frame, a fault, a new attempt) by the monotonic clock, ms. */
  readonly lastActiveAt: number;
  /**
   * Maximum time between two signs of life, with or without a camera, ms; after a longer silence the reading loop hangs.
   */
  readonly maxSilenceMs: number;
  /** Adds whole-image previews to the frames while a page shows them. */
  watch(on: boolean): void;
  /** Makes images for aiming until the handle is disposed of; one encoding serves all viewers. */
  aim(viewer: AimViewer): Disposable;
  /** Why there are no images for aiming although the camera is up; empty if there are. */
  readonly aimProblem: string;
}
