import { AV_NOPTS_VALUE, AV_PKT_DATA_PRFT } from 'node-av/constants';
import type { Packet } from 'node-av/lib';
import type { CameraConfig } from '../../../config/schema.ts';
import { CameraClock, type ClockReference } from '../camera-clock.ts';
import { StreamClock, type StreamTime } from '../clock.ts';
import type { ClockReport } from '../source.ts';

/** More frames than a decoder can delay. */
const REMEMBERED = 64;

/**
 * Calculates when the frames of one stream were captured, from the timestamps of the stream and the clock of the camera.
 */
export class CaptureTime {
  readonly #config: Pick<CameraConfig, 'clock' | 'latencyMs'>;
  readonly #msPerTick: number;
  readonly #stream: StreamClock;
  readonly #camera: CameraClock;
  readonly #cameraTimes = new Map<bigint, number>();

  /** @param reference the camera's clock as known from the previous connection */
  constructor(
    config: Pick<CameraConfig, 'clock' | 'latencyMs'>,
    timeBase: { num: number; den: number },
    reference: ClockReference | undefined,
  ) {
    this.#config = config;
    this.#msPerTick = (1000 * timeBase.num) / timeBase.den;
    this.#stream = new StreamClock(config.clock === 'camera' ? 0 : config.latencyMs);
    this.#camera = new CameraClock(reference);
  }

  /** Remembers the camera's own time of a packet (RTCP sender report, RFC 3550 clause 6.4.1). */
  note(packet: Packet): void {
    const side = packet.getSideData(AV_PKT_DATA_PRFT);
    if (!side || side.length < 8) return;
    // AVProducerReferenceTime: int64 wallclock, µs since the epoch
    this.#cameraTimes.set(packet.pts, Number(side.readBigInt64LE(0)) / 1000);
    if (this.#cameraTimes.size > REMEMBERED) this.#cameraTimes.delete(this.#cameraTimes.keys().next().value!);
  }

  /** Stream time, ms; undefined if the frame has none. */
  streamMs(pts: bigint): number | undefined {
    return pts === AV_NOPTS_VALUE ? undefined : Number(pts) * this.#msPerTick;
  }

  /**
   * When the frame with this stream time was captured.
   * @param arrivalMs when its packet arrived, by `monotonicMs`
   * @throws QcError camera-clock if the stream must be opened again
   */
  at(pts: bigint, arrivalMs: number): StreamTime {
    const time = this.#stream.at(this.streamMs(pts), arrivalMs);
    if (this.#stream.failure) throw this.#stream.failure;
    const cameraMs = this.#cameraTimes.get(pts);
    this.#cameraTimes.delete(pts);
    if (cameraMs !== undefined) {
      const assumedMs = this.#camera.observe(cameraMs, arrivalMs, time.lagMs);
      if (assumedMs !== undefined) this.#stream.assumeLag(assumedMs);
    }
    if (this.#config.clock === 'arrival') return time;
    return { ...time, capturedAt: time.capturedAt - this.#camera.delayMs };
  }

  get report(): ClockReport {
    const fault = this.#stream.fault;
    return {
      drift: this.#stream.drift,
      fault,
      cameraFault: this.#config.clock === 'camera' ? this.#camera.fault : '',
      reference: this.#camera.reference(this.#stream.lagMs),
    };
  }
}
