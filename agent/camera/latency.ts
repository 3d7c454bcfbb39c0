import { setTimeout as sleep } from 'node:timers/promises';
import { QcError } from '../../config/errors.ts';
import type { CameraConfig } from '../../config/schema.ts';
import type { Image } from '../../models/image.ts';
import { monotonicMs } from '../../models/run/monotonic.ts';
import type { CameraSource } from './source.ts';

/** A pixel has changed when it differs by more than this from the frame before, levels of 255. */
const CHANGED = 16;
/** The region has changed when this share of its pixels has changed, and five times the share without a change. */
const MIN_SHARE = 0.01;
const ABOVE_NOISE = 5;
/** How long the region must be quiet before a change, and how late its moment may be reported, ms. */
const QUIET_MS = 2_000;
const EARLY_MS = 500;
/** Maximum delay that can be measured, ms. */
const MAX_MS = 15_000;
/** Pixels that are compared. */
const SAMPLES = 4_096;

export interface LatencyDeps {
  readonly source: CameraSource;
  readonly config: CameraConfig;
  readonly signal: AbortSignal;
  /** Called when the region has been quiet for long enough and a change may be made. */
  readonly onReady: (measured: number) => void;
  /** The moment of each change, by `monotonicMs`. */
  readonly moments: AsyncIterator<number>;
  readonly times: number;
}

interface SeenFrame {
  readonly at: number;
  /** Of the pixels that were compared. */
  readonly changedShare: number;
}

/**
 * Measures the time from a change in front of the camera until the agent has the first frame that shows it, ms each.
 * @throws QcError camera-latency if no change was seen; why the camera ended
 */
export async function measureLatency(camera: string, deps: LatencyDeps): Promise<number[]> {
  const { source, config, signal, onReady, moments, times } = deps;
  const over = new AbortController();
  const seen: SeenFrame[] = [];
  let last: Image | undefined;
  const reading = source({
    camera,
    config: { ...config, freezeMs: 0, maxFps: 240 },
    password: config.password,
    signal: AbortSignal.any([signal, over.signal]),
    watched: () => false,
    deliver({ image, times: { takenAt } }) {
      seen.push({ at: takenAt, changedShare: last ? changedShare(last, image) : 0 });
      last = image;
      while (seen.length > 0 && takenAt - seen[0]!.at > MAX_MS + QUIET_MS) seen.shift();
    },
    received: () => undefined,
    dropped: () => undefined,
    fault: () => undefined,
  });
  const ended = reading.then(() => {
    throw new QcError('stopping', 'stopped');
  });
  ended.catch(() => undefined);

  const measured: number[] = [];
  try {
    while (measured.length < times) {
      // The previous change must not count as noise.
      seen.splice(0);
      await Promise.race([ended, quiet(seen)]);
      onReady(measured.length);
      const next = await Promise.race([ended, moments.next()]);
      if (next.done) throw new QcError('camera-latency', 'the moment of the change was not reported');
      measured.push(await Promise.race([ended, delayOf(seen, next.value)]));
    }
    return measured;
  } finally {
    over.abort();
    await reading.catch(() => undefined);
  }
}

/** Waits until frames have arrived for a while and none of them showed a change. */
async function quiet(seen: readonly SeenFrame[]): Promise<void> {
  const since = monotonicMs();
  for (;;) {
    const recent = seen.filter(({ at }) => monotonicMs() - at < QUIET_MS);
    const isQuiet = recent.length >= 5 && Math.max(...recent.map((one) => one.changedShare)) < MIN_SHARE * 5;
    if (isQuiet && monotonicMs() - since >= QUIET_MS) return;
    await sleep(50);
  }
}

async function delayOf(seen: readonly SeenFrame[], moment: number): Promise<number> {
  const before = seen.filter(({ at }) => at < moment - EARLY_MS && at > moment - EARLY_MS - QUIET_MS);
  const noise = Math.max(0, ...before.map(({ changedShare }) => changedShare));
  const least = Math.max(MIN_SHARE, ABOVE_NOISE * noise);
  for (;;) {
    const change = seen.find(({ at, changedShare }) => at >= moment - EARLY_MS && changedShare >= least);
    if (change) return change.at - moment;
    if (monotonicMs() - moment > MAX_MS) {
      throw new QcError('camera-latency', `the region has not changed within ${MAX_MS / 1000} s`);
    }
    await sleep(10);
  }
}

function changedShare(one: Image, other: Image): number {
  if (one.data.length !== other.data.length) return 0;
  const step = Math.max(1, Math.floor(one.data.length / SAMPLES));
  let changed = 0;
  let compared = 0;
  for (let at = 0; at < one.data.length; at += step, compared++) {
    if (Math.abs(one.data[at]! - other.data[at]!) > CHANGED) changed++;
  }
  return changed / compared;
}
