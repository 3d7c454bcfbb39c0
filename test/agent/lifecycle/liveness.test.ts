import { beforeEach, describe, expect, it } from 'vitest';
import { Liveness } from '../../../agent/lifecycle/liveness.ts';

describe('whether the agent makes progress', () => {
  let liveness: Liveness;
  /** The fault at a later time, ms. */
  const later = (ms: number) => liveness.hang(performance.now() + ms);
  const endless = () => new Promise<never>(() => undefined);

  beforeEach(() => {
    liveness = new Liveness();
  });

  it('idle is alive for any time', () => {
    liveness.job('the inference', 1_000);
    expect(later(86_400_000)).toBeUndefined();
  });

  it('work that does not end hangs after its maximum time', () => {
    const judging = liveness.job('the inference', 1_000);
    void judging(endless);
    expect(later(500)).toBeUndefined();
    expect(later(5_000)).toBe('the inference has not ended for 5 s');
  });

  it('a full queue is alive as long as items end, with or without success', async () => {
    const judging = liveness.job('the inference', 1_000);
    void judging(endless);
    const before = later(5_000);
    await judging(async () => 1);
    await judging(() => Promise.reject(new Error('no'))).catch(() => undefined);
    expect(before).toBeDefined();
    expect(later(900)).toBeUndefined();
    expect(later(5_000)).toBeDefined();
  });

  it('a wait with a known cause does not count, and counts again after the cause ends', () => {
    let loading = true;
    const judging = liveness.job('the inference', 1_000, () => loading);
    void judging(endless);
    expect(later(60_000)).toBeUndefined();
    loading = false;
    expect(later(60_500)).toBeUndefined();
    expect(later(62_000)).toBe('the inference has not ended for 2 s');
  });

  it('a loop without progress hangs', () => {
    const lastActiveAt = performance.now();
    liveness.loop('the reading of camera top', 80_000, () => lastActiveAt);
    expect(later(79_000)).toBeUndefined();
    expect(later(90_000)).toBe('the reading of camera top has not progressed for 90 s');
  });

  it('a failed model has time to recover', () => {
    let fault: string | undefined = 'the inference thread failed';
    liveness.fault('the model', 10_000, () => fault);
    expect(later(5_000)).toBeUndefined();
    expect(later(11_000)).toBe('the model has failed for 11 s: the inference thread failed');
    fault = undefined;
    expect(later(20_000)).toBeUndefined();
    fault = 'again';
    expect(later(25_000)).toBeUndefined();
  });
});
