/** Pixels row by row without padding: 8-bit RGB, interleaved, sRGB. `data.length === width * height * 3`. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A rectangle in fractions of a frame's width and height, each 0 to 1, origin at the top left. */
export interface Region {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** When a frame reached each step, ms by `monotonicMs`, so that changes of the system clock have no effect. */
export interface FrameTimes {
  /** `Frame.capturedAt` on this clock. */
  readonly capturedAt: number;
  /** When it reached the decoder. */
  readonly arrivedAt: number;
  /** When it was decoded, cropped, scaled and converted. */
  readonly decodedAt: number;
  /** When the agent's main process had its pixels. */
  readonly takenAt: number;
}

/** One image from a camera, already cropped to the camera's region. */
export interface Frame {
  readonly camera: string;
  /** The region's pixels; the decoder scales a large region down, never up. */
  readonly image: Image;
  /** The uncropped image, at most 480 pixels wide, for the page; only while a browser shows it. */
  readonly preview?: Image;
  /** The region it was cropped to; absent if it was not cropped from a camera's image. */
  readonly region?: Region;
  /** When the image was captured, ms since the epoch by this machine's clock, for display; comparisons use `times`. */
  readonly capturedAt: number;
  /** When the agent had the decoded pixels, ms since the epoch. */
  readonly receivedAt: number;
  /** When it reached each step on its way into the agent. */
  readonly times: FrameTimes;
  /** True if the image comes from a file (`file:`) or is drawn (demo) instead of from a camera. */
  readonly simulated: boolean;
  /** Why a part must not pass on this frame: the image may not show its current state. */
  readonly doubt?: string;
  /** Fingerprint: equal for identical pixels; absent if they do not come from a camera. */
  readonly print?: string;
  /** When the first image with this fingerprint arrived, by `monotonicMs`: a repeated image is that old. */
  readonly firstSeenAt?: number;
  /** The file it was read from (`file:`), relative to the folder. */
  readonly source?: string;
}
