import type { FrameTimes } from '../../models/image.ts';
import { monotonicMs } from '../../models/run/monotonic.ts';

/** Of a frame that has just been taken, after 5 ms on its way, 2 at the decoder and 1 from there. */
export function frameTimes(takenAt = monotonicMs()): FrameTimes {
  return { capturedAt: takenAt - 8, arrivedAt: takenAt - 3, decodedAt: takenAt - 1, takenAt };
}
