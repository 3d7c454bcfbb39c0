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

/** When a frame was where, ms by `monotonicMs`: on our own clock, whatever happens to that of the wall. */
export interface FrameTimes {
  /** `Frame.capturedAt` on this clock. */
  readonly capturedAt: number;
  /** It reached the decoder. */
  readonly arrivedAt: number;
  /** It was decoded, cut, scaled and converted. */
  readonly decodedAt: number;
  /** The agent's own process had its pixels. */
  readonly takenAt: number;
}

/** One picture off a camera, already cut to the camera's region. */
export interface Frame {
  readonly camera: string;
  /** The region's pixels, scaled down (never up) by the decoder where the region is large. */
  readonly image: Image;
  /** The whole picture, at most 480 pixels wide, for the page; only while somebody watches. */
  readonly preview?: Image;
  /** By which region it was cut; absent where it is no cut of a camera's picture. */
  readonly region?: Region;
  /** When the shutter closed, ms since the epoch by this machine's clock: to be shown; `times` are what is compared. */
  readonly capturedAt: number;
  /** When the agent had the decoded pixels, ms since the epoch. */
  readonly receivedAt: number;
  /** Its way into the agent. */
  readonly times: FrameTimes;
  /** True where the picture does not come from a camera (`file:`) or is drawn (demo). */
  readonly simulated: boolean;
  /** Why a part must not pass on this frame: the image may not show it as it is now. */
  readonly doubt?: string;
  /** The same for the same pixels, to the last bit; absent if they do not come from a camera. */
  readonly print?: string;
  /** When an image of this print came first, by `monotonicMs`: an image that repeats is as old as that. */
  readonly firstSeenAt?: number;
  /** Which file the picture is, where it comes from one (`file:`); relative to the folder. */
  readonly source?: string;
}
