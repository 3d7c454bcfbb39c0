import { AV_NOPTS_VALUE, AV_PKT_DATA_PRFT } from 'node-av/constants';
import type { Packet } from 'node-av/lib';
import type { CameraConfig } from '../../../config/schema.ts';
import { StreamClock } from '../clock.ts';

/** A camera clock further off than this is not believed, ms. */
const BELIEVABLE_MS = 10_000;
/** Frames a decoder may hold back, and more. */
const REMEMBERED = 64;

/** When the frames of one stream were captured. */
export class CaptureTime {
  readonly #config: Pick<CameraConfig, 'clock' | 'latencyMs'>;
  readonly #msPerTick: number;
  readonly #arrivals: StreamClock;
  readonly #onUnbelievable: (message: string) => void;
  readonly #cameraTimes = new Map<bigint, number>();
  #last = 0;
  #believed = true;

  constructor(
    config: Pick<CameraConfig, 'clock' | 'latencyMs'>,
    timeBase: { num: number; den: number },
    onUnbelievable: (message: string) => void,
  ) {
    this.#config = config;
    this.#msPerTick = (1000 * timeBase.num) / timeBase.den;
    this.#arrivals = new StreamClock(config.latencyMs);
    this.#onUnbelievable = onUnbelievable;
  }

  /** Remembers the camera's own time of a packet (RTCP sender report, RFC 3550 clause 6.4.1). */
  note(packet: Packet): void {
    if (this.#config.clock !== 'camera') return;
    const side = packet.getSideData(AV_PKT_DATA_PRFT);
    if (!side || side.length < 8) return;
    // AVProducerReferenceTime: int64 wallclock, µs since the epoch
    this.#cameraTimes.set(packet.pts, Number(side.readBigInt64LE(0)) / 1000);
    if (this.#cameraTimes.size > REMEMBERED) this.#cameraTimes.delete(this.#cameraTimes.keys().next().value!);
  }

  /** Stream time, ms; undefined where the frame has none. */
  streamMs(pts: bigint): number | undefined {
    return pts === AV_NOPTS_VALUE ? undefined : Number(pts) * this.#msPerTick;
  }

  /**
   * When the frame of this stream time was captured, ms since the epoch by this machine's clock.
   * @param arrivalMs when its packet came, by `performance.now()`
   */
  capturedAt(pts: bigint, arrivalMs: number): number {
    const toEpoch = Date.now() - performance.now();
    const arrival = this.#arrivals.capturedAt(this.streamMs(pts), arrivalMs) + toEpoch;
    const camera = this.#cameraTimes.get(pts);
    if (camera === undefined) return arrival;
    this.#cameraTimes.delete(pts);
    if (Math.abs(camera - arrival) > BELIEVABLE_MS) {
      if (this.#believed) {
        const seconds = Math.round((camera - arrival) / 1000);
        this.#onUnbelievable(`the camera clock is ${seconds} s off; capture times are those of arrival`);
      }
      this.#believed = false;
      return arrival;
    }
    this.#believed = true;
    this.#last = Math.max(this.#last, camera);
    return this.#last;
  }
}
