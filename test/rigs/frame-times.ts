import type { FrameTimes } from '../../models/image.ts';
import { monotonicMs } from '../../models/run/monotonic.ts';

/** Times of a frame with 5 ms on the network, 2 in the decoder and 1 from there. */
export function frameTimes(takenAt = monotonicMs()): FrameTimes {
  return { capturedAt: takenAt - 8, arrivedAt: takenAt - 3, decodedAt: takenAt - 1, takenAt };
}
