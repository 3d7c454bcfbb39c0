import { describe, expect, it } from 'vitest';
import { StreamClock } from '../../../agent/camera/clock.ts';
import { seeded } from '../part/drawn-camera.ts';

interface Stream {
  readonly seconds: number;
  /** Frame rate, and the frame rate according to the timestamps. */
  readonly fps?: number;
  readonly stampFps?: number;
  /** Whether the sender discards the frame captured at this second. */
  readonly discard?: (second: number) => boolean;
  /** Delay of the frame captured at this second, ms. */
  readonly delay?: (second: number) => number;
  /** The timestamp, computed from the correct one, ms. */
  readonly stamp?: (ms: number, frame: number) => number | undefined;
  readonly jitterMs?: number;
}

const largest = (values: readonly number[]) => values.reduce((one, other) => Math.max(one, other));

/** The clock's results for all frames, by the second of their arrival. */
function watch(clock: StreamClock, stream: Stream) {
  const { seconds, fps = 25, stampFps = fps, delay = () => 0, stamp = (ms) => ms, jitterMs = 25 } = stream;
  const random = seeded(7);
  const seen: { second: number; ageMs: number; tooYoungMs: number; doubtful: boolean }[] = [];
  let last = 0;
  for (let n = 0; n < seconds * fps; n++) {
    const captured = (n * 1000) / fps;
    if (stream.discard?.(captured / 1000)) continue;
    const arrival = Math.max(last + 0.2, captured + 5 + random() * jitterMs + delay(captured / 1000));
    last = arrival;
    const { capturedAt, isBacklog } = clock.at(stamp((n * 1000) / stampFps, n), 1e6 + arrival);
    seen.push({
      second: arrival / 1000,
      ageMs: 1e6 + arrival - capturedAt,
      tooYoungMs: capturedAt - 1e6 - captured,
      doubtful: isBacklog,
    });
  }
  const within = (from: number, to = Number.POSITIVE_INFINITY) =>
    seen.filter(({ second }) => second >= from && second < to);
  return {
    oldest: (from: number, to?: number) => largest(within(from, to).map(({ ageMs }) => ageMs)),
    youngest: (from: number, to?: number) => -largest(within(from, to).map(({ ageMs }) => -ageMs)),
    /** The largest time by which a frame was dated later than its capture. */
    tooYoung: (from: number, to?: number) => largest(within(from, to).map((one) => one.tooYoungMs)),
    doubtful: (from: number, to: number) => within(from, to).every((one) => one.doubtful),
  };
}

it('removes the jitter of the network and the known latency from capture times', () => {
  const seen = watch(new StreamClock(5), { seconds: 60 });
  expect(seen.tooYoung(10)).toBeLessThan(8);
  expect(seen.youngest(0)).toBeGreaterThanOrEqual(5);
});

describe('with any timestamps, a frame is dated within two frames of its arrival', () => {
  const rates: [fps: number, stampFps: number][] = [
    [21, 25],
    [20, 30],
    [24.5, 25],
    [24.99, 25],
    [25, 21],
    [30, 10],
    [5, 25],
    [12.5, 25],
  ];
  it.each(rates)('at %d frames a second stamped as %d', (fps, stampFps) => {
    const clock = new StreamClock(0);
    const seen = watch(clock, { seconds: 120, fps, stampFps });
    expect(seen.oldest(0.5)).toBeLessThan(Math.max(180, (3.5 * 1000) / fps));
    expect(seen.oldest(20)).toBeLessThan(Math.max(80, 1000 / fps));
    expect(seen.tooYoung(0.5)).toBeLessThan(32);
    expect(clock.drift).toBeCloseTo(1 - fps / stampFps, 3);
    if (Math.abs(clock.drift) > 0.001) expect(clock.fault).toMatch(drift(fps, stampFps));
    else expect(clock.fault).toBe('');
  });
  const drift = (fps: number, stampFps: number) => (fps < stampFps ? /run .* % slow/ : /run .* % fast/);

  const stamps: [string, NonNullable<Stream['stamp']>, RegExp][] = [
    ['jump back', (ms) => (ms > 14_000 ? ms - 1_700 : ms), /jumped by -1.7 s/],
    ['jump back by a day', (ms) => (ms > 14_000 ? ms - 86_400_000 : ms), /jumped by -8640/],
    ['jump ahead', (ms) => (ms > 14_000 ? ms + 1_700 : ms), /jumped by 1.7 s/],
    ['jump ahead by a day', (ms) => (ms > 14_000 ? ms + 86_400_000 : ms), /jumped by 8640/],
    ['jump back and forth', (ms) => ms + (Math.floor(ms / 3_000) % 2) * 5_000, /jumped/],
    ['wrap around after 32 bits', (ms) => (ms > 14_000 ? ms - 2 ** 32 / 90 : ms), /jumped/],
    ['are constant', () => 0, /no usable timestamps/],
    ['are missing', () => undefined, /no usable timestamps/],
    ['stop', (ms) => Math.min(ms, 10_000), /no usable timestamps/],
    ['stop for ten seconds', (ms) => (ms > 20_000 ? ms - 10_000 : Math.min(ms, 10_000)), /jumped by -10/],
    ['exist for every second frame', (ms, n) => (n % 2 ? undefined : ms), /^$/],
    ['are repeated', (_, n) => Math.floor(n / 2) * 80, /^$/],
  ];
  it.each(stamps)('if they %s', (_, stamp, fault) => {
    const clock = new StreamClock(0);
    const seen = watch(clock, { seconds: 40, stamp });
    expect(seen.oldest(0.5)).toBeLessThan(80);
    expect(clock.fault).toMatch(fault);
  });

  it('if they drift and jump', () => {
    const stamp = (ms: number) => ms + (ms > 20_000 ? 1e7 : 0) - (ms > 40_000 ? 2e7 : 0);
    const seen = watch(new StreamClock(0), { seconds: 60, fps: 21, stampFps: 25, stamp });
    expect(seen.oldest(0.5)).toBeLessThan(130);
  });

  it('with a clock that is slow, or changes its rate with the temperature', () => {
    const slow = new StreamClock(0);
    expect(watch(slow, { seconds: 1_200, stampFps: 25.0025 }).oldest(10)).toBeLessThan(40);
    expect(slow.fault).toBe('');
    const warm = watch(new StreamClock(0), {
      seconds: 2_400,
      stamp: (ms) => ms + 15 * Math.sin(ms / 300_000),
    });
    expect(warm.oldest(10)).toBeLessThan(40);
  });

  it('over a network with much jitter', () => {
    const clock = new StreamClock(0);
    expect(watch(clock, { seconds: 300, jitterMs: 200 }).oldest(10)).toBeLessThan(240);
    expect(clock.fault).toBe('');
  });
});

describe('a delay is noticed, and not forgotten until the backlog is gone', () => {
  const steps = [1, 2.5, 10, 60];
  it.each(steps)('of 4 s that begins suddenly after %d s', (at) => {
    const seen = watch(new StreamClock(0), { seconds: 400, delay: (second) => (second > at ? 4_000 : 0) });
    expect(seen.youngest(at + 4.2)).toBeGreaterThan(3_900);
  });

  it('with a delay that grew while the stream was opened and has ended', () => {
    for (const [growth, end] of [
      [0.08, 4],
      [0.02, 8],
      [0.3, 3.5],
    ] as const) {
      const clock = new StreamClock(0);
      const delay = (second: number) =>
        second < end ? 1000 * growth * second : second < 60 ? 0 : Math.min(1000, 50 * (second - 60));
      const seen = watch(clock, { seconds: 60, delay });
      expect(clock.fault, `${growth}`).toBe('');
      expect(Math.abs(clock.drift), `${growth}`).toBeLessThan(0.002);
      expect(seen.oldest(20)).toBeLessThan(80);
      expect(watch(new StreamClock(0), { seconds: 120, delay }).tooYoung(90), `${growth}`).toBeLessThan(100);
    }
  });

  it('with timestamps that run slow or jump meanwhile', () => {
    const delay = (second: number) => (second > 20 ? 4_000 : 0);
    const stamp = (ms: number) => ms + (ms > 60_000 ? 2_000 : 0) - (ms > 80_000 ? 1e6 : 0);
    const drifting = watch(new StreamClock(0), { seconds: 200, fps: 21, stampFps: 25, delay, stamp });
    expect(drifting.youngest(25)).toBeGreaterThan(3_800);
    const stuck = (ms: number) => (ms > 30_000 && ms < 50_000 ? 30_000 : ms);
    expect(watch(new StreamClock(0), { seconds: 100, delay, stamp: stuck }).youngest(25)).toBeGreaterThan(
      3_800,
    );
  });

  const ramps: [from: number, seconds: number, least: number][] = [
    [5, 100, 2_600],
    [10, 20, 3_900],
    [10, 200, 2_600],
    [30, 100, 3_900],
    [60, 400, 3_900],
  ];
  it.each(ramps)('that grows to 4 s from second %d within %d s', (from, length, least) => {
    const delay = (second: number) => Math.min(1, Math.max(0, (second - from) / length)) * 4_000;
    const seen = watch(new StreamClock(0), { seconds: from + length + 300, delay });
    expect(seen.youngest(from + length + 4)).toBeGreaterThan(least);
    expect(seen.oldest(0)).toBeLessThan(4_100);
  });

  it('that ends when the backlog is delivered', () => {
    const delay = (second: number) => (second > 10 && second < 40 ? 4_000 : 0);
    const seen = watch(new StreamClock(0), { seconds: 80, delay });
    expect(seen.youngest(15, 43.9)).toBeGreaterThan(3_900);
    expect(seen.oldest(45)).toBeLessThan(60);
  });

  it.each([2, 4, 6])('that ends when the sender has discarded the backlog, after %d s', (seconds) => {
    const until = 20 + seconds;
    // Frames in the network arrive slowly; the sender discards its frames except the newest.
    const delay = (second: number) => {
      if (second <= 20 || second > until + 4) return 0;
      if (second <= 20.6) return (until - second + 2 * (second - 20)) * 1_000;
      return Math.max(0, 1_200 + (until - second) * 300);
    };
    const discard = (second: number) => second > 20.6 && second < until;
    const clock = new StreamClock(0);
    const seen = watch(clock, { seconds: 60, delay, discard });
    expect(seen.oldest(until + 8)).toBeLessThan(60);
    expect(clock.fault).toBe('');
    expect(seen.tooYoung(5)).toBeLessThan(60);
  });

  it('but not if jumping timestamps only approach their previous values', () => {
    const delay = (second: number) => (second > 20 ? 4_000 : 0);
    for (const jump of [3_500, 3_750, 4_300, 4_500]) {
      const stamp = (ms: number) => ms + (ms > 40_000 ? jump : 0);
      const seen = watch(new StreamClock(0), { seconds: 100, delay, stamp });
      expect(seen.youngest(45)).toBeGreaterThan(3_700);
    }
  });

  it.each([25, 21, 30])('repeatedly, at %d frames a second stamped as 25', (fps) => {
    const stalls = [0, 200, 700, 1_500, 300];
    const delay = (second: number) => {
      const into = second % 15;
      return Math.max(0, (stalls[Math.floor(second / 15) % 5] ?? 0) - Math.max(0, into - 5) * 900);
    };
    const clock = new StreamClock(0);
    const seen = watch(clock, { seconds: 300, fps, stampFps: 25, delay });
    expect(seen.oldest(298)).toBeLessThan(80);
    // Fast timestamps can be distinguished from a backlog only after some time.
    expect(seen.tooYoung(fps > 25 ? 31 : 5)).toBeLessThan(60);
  });

  it('until then a late frame keeps its capture time', () => {
    const seen = watch(new StreamClock(0), {
      seconds: 60,
      delay: (second) => (second % 10 < 0.04 ? 500 : 0),
    });
    expect(seen.tooYoung(5)).toBeLessThan(20);
  });

  it('frames that a recorder sends before the live ones are marked doubtful', () => {
    const seen = watch(new StreamClock(0), {
      seconds: 60,
      delay: (second) => Math.max(0, 2_000 - second * 333),
    });
    expect(seen.doubtful(2.5, 5)).toBe(true);
    expect(seen.oldest(20)).toBeLessThan(60);
    expect(seen.doubtful(20, 21)).toBe(false);
  });

  it('unless it is only a rate learned from a backlog or from jitter', () => {
    const backlog = (second: number) => Math.max(0, 3_000 - second * 150);
    const drained = watch(new StreamClock(0), { seconds: 120, delay: backlog });
    expect(drained.oldest(60)).toBeLessThan(60);
    expect(watch(new StreamClock(0), { seconds: 300, jitterMs: 300 }).oldest(100)).toBeLessThan(500);
  });

  it('until it is longer than any real delay: then the timestamps are wrong, and the stream must be reopened', () => {
    const night = (ms: number) => Math.min(ms, 20_000) + Math.max(0, ms - 20_000) / 2;
    const clock = new StreamClock(0);
    watch(clock, { seconds: 130, stamp: night });
    expect(clock.failure).toBeUndefined();
    const later = new StreamClock(0);
    watch(later, { seconds: 145, stamp: night });
    expect(later.failure).toMatchObject({
      code: 'camera-clock',
      message: expect.stringContaining('more than 60 s behind'),
    });
  });

  it('if it is informed that the stream is late from the start', () => {
    const clock = new StreamClock(0);
    watch(clock, { seconds: 1 });
    clock.assumeLag(3_000);
    expect(clock.lagMs).toBe(3_000);
    expect(clock.at(1_000, 1e6 + 1_005)).toMatchObject({ lagMs: expect.closeTo(3_000, -2) });
  });
});
