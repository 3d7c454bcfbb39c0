import { describe, expect, it } from 'vitest';
import { counts, estimates, fitting, limitOf } from '../../../agent/bench/capacity.ts';
import { type Step, whyTooMuch } from '../../../agent/bench/step.ts';

/** A step with 5 parts per second and camera, 40 ms of CPU time per part and 0.05 of a core per decoder. */
function step(cameras: number, changes: Partial<Step> = {}): Step {
  const asked = cameras * 5;
  return {
    cameras,
    startedAt: '2026-11-25T00:00:00.000Z',
    seconds: 10,
    parts: asked * 10,
    perSecond: asked,
    asked,
    lost: { skipped: 0, gaps: 0, failed: 0 },
    latencyMs: { p50: 30, p95: 40, p99: 50 },
    cores: { inference: asked * 0.038, loop: asked * 0.002, decoders: cameras * 0.05, outside: 0.05 },
    memoryMb: 400,
    tooMuch: null,
    ...changes,
  };
}
const tooMuch = { tooMuch: '3 parts lost' };

describe('numbers of cameras', () => {
  it('increase slowly at first and end with the maximum', () => {
    expect(counts(16)).toEqual([1, 2, 3, 4, 6, 8, 12, 16]);
    expect(counts(7)).toEqual([1, 2, 3, 4, 6, 7]);
    expect(counts(1)).toEqual([1]);
  });
});

describe('what is too much', () => {
  it('is nothing if each part arrived in time', () => {
    expect(whyTooMuch(step(2), 250)).toBeNull();
    // One part of each camera may not have arrived yet.
    expect(whyTooMuch(step(2, { perSecond: 9.8 }), 250)).toBeNull();
  });

  it('is a lost part, too few of them, or one that is late', () => {
    expect(whyTooMuch(step(2, { lost: { skipped: 1, gaps: 2, failed: 0 } }), 250)).toBe('3 parts lost');
    expect(whyTooMuch(step(2, { perSecond: 9 }), 250)).toBe('9.0 parts/s instead of 10');
    expect(whyTooMuch(step(2), 45)).toBe('p99 50 ms is above 45 ms');
    const none = { p50: Number.NaN, p95: Number.NaN, p99: Number.NaN };
    expect(whyTooMuch(step(2, { latencyMs: none }), 250)).not.toBeNull();
  });
});

describe('what fits', () => {
  it('is the largest number below the first that is too much', () => {
    expect(fitting([step(1), step(2), step(4, tooMuch), step(3)])?.cameras).toBe(3);
    expect(fitting([step(1), step(2, tooMuch), step(3)])?.cameras).toBe(1);
    expect(fitting([step(1, tooMuch)])).toBeUndefined();
  });
});

describe('what limits it', () => {
  it('is nothing if all fit', () => {
    expect(limitOf([step(1), step(2)], 2).by).toBe('nothing');
  });

  it('is the largest consumer on a busy machine', () => {
    expect(limitOf([step(9, tooMuch), step(1)], 2)).toMatchObject({ by: 'inference' });
    const decoders = { inference: 0.5, loop: 0.1, decoders: 1.2, outside: 0.1 };
    expect(limitOf([step(9, { ...tooMuch, cores: decoders })], 2).by).toBe('decoding');
  });

  it('is the event loop if it had no time left, even on an idle machine', () => {
    const cores = { inference: 2, loop: 0.95, decoders: 1, outside: 0 };
    expect(limitOf([step(9, { ...tooMuch, cores })], 16).by).toBe('event loop');
  });

  it('is unknown if the machine had time left, or if the system gives no figures', () => {
    expect(limitOf([step(9, tooMuch)], 16).by).toBe('latency');
    expect(limitOf([step(9, { ...tooMuch, cores: null })], 2).by).toBe('latency');
  });
});

describe('other rates', () => {
  it('follow from the CPU time of a part and of a decoder', () => {
    // 0.8 × 2 cores; 0.05 for the decoder and 0.04 a part.
    expect(estimates(step(4), 2, [1, 5, 20])).toEqual([
      { rate: 1, cameras: 17 },
      { rate: 5, cameras: 6 },
      { rate: 20, cameras: 1 },
    ]);
  });

  it('are unknown if the CPU time is unknown', () => {
    expect(estimates(step(4, { cores: null }), 2, [1])).toEqual([]);
  });
});
