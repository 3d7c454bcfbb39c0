/** Offsets older than this are forgotten, so that the camera's crystal may drift, ms. */
const WINDOW_MS = 30_000;
const BUCKETS = 10;
/** A stream time further than this from where it should be has jumped (or wrapped), ms. */
const JUMP_MS = 2_000;

/**
 * Maps stream time to our own clock without the network's jitter: the least (arrival − stream time) of the
 * last 30 s is the shortest way a frame can take, and all frames are taken to have gone it (the minimum filter
 * of NTP, RFC 5905 clause 10). Monotonic times in and out, so a change of the wall clock does not matter.
 */
export class StreamClock {
  readonly #latencyMs: number;
  #buckets: { startedAt: number; least: number }[] = [];
  #lastStreamMs: number | undefined;
  #last = Number.NEGATIVE_INFINITY;

  /** @param latencyMs known delay from shutter to arrival, subtracted */
  constructor(latencyMs: number) {
    this.#latencyMs = latencyMs;
  }

  /**
   * When the frame was captured, monotonic ms; never after its arrival, and never before an earlier frame.
   * @param streamMs the frame's presentation time, ms, undefined where the stream has none
   * @param arrivalMs when it arrived, monotonic ms
   */
  capturedAt(streamMs: number | undefined, arrivalMs: number): number {
    let at = arrivalMs;
    if (streamMs !== undefined) at = streamMs + this.#offset(streamMs, arrivalMs);
    at = Math.max(this.#last, Math.min(at, arrivalMs) - this.#latencyMs);
    this.#last = at;
    return at;
  }

  #offset(streamMs: number, arrivalMs: number): number {
    const offset = arrivalMs - streamMs;
    const step = streamMs - (this.#lastStreamMs ?? streamMs);
    this.#lastStreamMs = streamMs;
    const known = this.#least();
    // A late frame keeps its place in stream time; only where the stream time itself jumps, learn it anew.
    const jumped = step < 0 || step > JUMP_MS;
    if (jumped && known !== undefined && Math.abs(offset - known) > JUMP_MS) this.#buckets = [];
    const bucket = this.#buckets.at(-1);
    if (!bucket || arrivalMs - bucket.startedAt >= WINDOW_MS / BUCKETS) {
      this.#buckets.push({ startedAt: arrivalMs, least: offset });
      if (this.#buckets.length > BUCKETS) this.#buckets.shift();
    } else if (offset < bucket.least) {
      bucket.least = offset;
    }
    return this.#least() ?? offset;
  }

  #least(): number | undefined {
    return this.#buckets.reduce<number | undefined>(
      (least, bucket) => (least === undefined || bucket.least < least ? bucket.least : least),
      undefined,
    );
  }
}
