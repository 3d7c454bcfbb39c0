import { describe, expect, it } from 'vitest';
import { chanceLimits, wilson } from '../../../agent/statistics/control-limits.ts';

describe('the interval of Wilson', () => {
  it('has the values of the literature', () => {
    // Newcombe 1998, table I: 81 of 263 and 1 of 29 (method 3).
    const { low, high } = wilson(81, 263);
    expect([low.toFixed(4), high.toFixed(4)]).toEqual(['0.2553', '0.3662']);
    const few = wilson(1, 29);
    expect([few.low.toFixed(4), few.high.toFixed(4)]).toEqual(['0.0061', '0.1718']);
  });

  it('stays between 0 and 1', () => {
    expect(wilson(0, 20)).toEqual({ low: 0, high: expect.closeTo(0.1611, 4) });
    expect(wilson(20, 20)).toEqual({ low: expect.closeTo(0.8389, 4), high: 1 });
    expect(wilson(0, 1).high).toBeLessThan(1);
  });
});

describe('the control limits', () => {
  it('equal the binomial ones with a long reference', () => {
    // Binomial(1000, 0.05): quantiles at 0.135 % and 99.865 % are 31 and 72.
    expect(chanceLimits(1_000, { judged: 1e7, fail: 5e5 })).toEqual({ least: 31, most: 72 });
  });

  it('are wider with a short reference', () => {
    const long = chanceLimits(100, { judged: 1e6, fail: 1e5 });
    const short = chanceLimits(100, { judged: 100, fail: 10 });
    expect(short.most).toBeGreaterThan(long.most);
    expect(short.least).toBeLessThanOrEqual(long.least);
  });

  it('do not alarm at the first failed part after a reference without one', () => {
    expect(chanceLimits(50, { judged: 300, fail: 0 }).most).toBeGreaterThanOrEqual(1);
    expect(chanceLimits(1, { judged: 300, fail: 0 })).toEqual({ least: 0, most: 1 });
    // But at many.
    expect(chanceLimits(50, { judged: 300, fail: 0 }).most).toBeLessThan(5);
  });

  it('contain 99.7 % of what chance draws, for few parts and many', () => {
    // A fixed generator (Lehmer), so that the test gives the same answer each time.
    let state = 12_345;
    const random = () => {
      state = (state * 48_271) % 2_147_483_647;
      return state / 2_147_483_647;
    };
    for (const [n, p] of [
      [5, 0.02],
      [40, 0.3],
      [400, 0.08],
    ] as const) {
      const { least, most } = chanceLimits(n, { judged: 1e6, fail: p * 1e6 });
      let outside = 0;
      const draws = 4_000;
      for (let i = 0; i < draws; i++) {
        let fail = 0;
        for (let k = 0; k < n; k++) if (random() < p) fail++;
        if (fail < least || fail > most) outside++;
      }
      // 2 × 0.135 %, with room for chance.
      expect(outside / draws, `${n} parts at ${p}`).toBeLessThan(0.006);
    }
  });

  it('take all failed and none failed', () => {
    expect(chanceLimits(10, { judged: 1_000, fail: 1_000 }).most).toBe(10);
    expect(chanceLimits(10, { judged: 1_000, fail: 1_000 }).least).toBeGreaterThan(7);
    expect(chanceLimits(100_000, { judged: 1e6, fail: 0 }).least).toBe(0);
  });
});
