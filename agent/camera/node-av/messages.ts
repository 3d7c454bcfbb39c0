/** Messages between the agent and the decoding process of a camera. */
import type { ErrorCode } from '../../../config/errors.ts';
import type { CameraConfig } from '../../../config/schema.ts';
import type { FrameTimes, Region } from '../../../models/image.ts';
import type { AimImage } from '../aim.ts';
import type { ClockReference } from '../camera-clock.ts';
import type { CameraCondition } from '../condition.ts';
import type { Size } from '../geometry.ts';
import type { ClockReport, StreamFacts } from '../source.ts';

/** Everything that the child needs. */
export interface OpenMessage {
  readonly kind: 'open';
  /** Address of the relay to the camera. */
  readonly address: string;
  readonly fps: number;
  readonly watched: boolean;
  /** Whether somebody aims the camera. */
  readonly aim: boolean;
  /** `ClockReport.reference` of the previous connection. */
  readonly reference: ClockReference | undefined;
  /** How long a damaged stream may go without a key frame, ms. */
  readonly damageMs: number;
  readonly config: Pick<
    CameraConfig,
    'transport' | 'hardware' | 'region' | 'shorterSide' | 'clock' | 'latencyMs' | 'stallMs' | 'freezeMs'
  >;
}

/** The agent took one frame: the child may send another. */
export interface TakenMessage {
  readonly kind: 'taken';
  readonly watched: boolean;
}

/** Another region is cut from the next frame on. */
export interface RegionMessage {
  readonly kind: 'region';
  readonly region: Region;
}

/** Somebody aims the camera, or nobody does any more. */
export interface AimSwitchMessage {
  readonly kind: 'aim';
  readonly on: boolean;
}

/** The agent took an image for aiming: the child may send another. */
export interface AimTakenMessage {
  readonly kind: 'aim-taken';
}

export type ToChild = OpenMessage | TakenMessage | RegionMessage | AimSwitchMessage | AimTakenMessage;

/** An image for aiming; `capturedAt` by `monotonicMs`. */
export interface AimMessage extends AimImage {
  readonly kind: 'aim';
}

export interface FrameMessage {
  readonly kind: 'frame';
  /** Slot of its pixels (pixels.ts): those of the region, then those of the preview. */
  readonly slot: number;
  readonly image: Size;
  readonly preview?: Size;
  readonly region: Region;
  readonly times: Omit<FrameTimes, 'takenAt'>;
  readonly doubt?: string;
}

/** What happened since the last progress message. */
export interface ProgressMessage {
  readonly kind: 'progress';
  readonly packets: number;
  readonly received: number;
  readonly corrupt: number;
  readonly busy: number;
}

export type FromChild =
  | { readonly kind: 'opened' }
  | ({ readonly kind: 'described' } & StreamFacts)
  | FrameMessage
  | AimMessage
  /** No more images for aiming; the inspection continues. */
  | { readonly kind: 'aim-failed'; readonly message: string }
  | ProgressMessage
  | ({ readonly kind: 'clock' } & ClockReport)
  | { readonly kind: 'condition'; readonly condition: CameraCondition; readonly text: string }
  | { readonly kind: 'fault'; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string; readonly remedy: string };
