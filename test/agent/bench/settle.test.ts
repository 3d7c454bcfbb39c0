import { describe, expect, it } from 'vitest';
import { hasSettled, latencyOf, settle } from '../../../agent/bench/settle.ts';
import type { Result } from '../../../agent/publish/messages.ts';

describe('a line that has just started', () => {
  it('has settled when latency no longer falls', () => {
    expect(hasSettled(800, 500)).toBe(false);
    expect(hasSettled(51, 50)).toBe(true);
    expect(hasSettled(50, 70)).toBe(true);
    // No previous second, and no arrival.
    expect(hasSettled(Number.POSITIVE_INFINITY, 50)).toBe(false);
    expect(hasSettled(50, Number.NaN)).toBe(false);
  });

  it('is waited for while a backlog is processed, for a limited time', async () => {
    const arrived: { result: Result; at: number }[] = [];
    let latency = 400;
    const timer = setInterval(() => {
      const at = Date.now();
      arrived.push({ result: { capturedAt: new Date(at - latency).toISOString() } as Result, at });
      latency = Math.max(40, latency - 20);
    }, 50);
    try {
      await settle(arrived, { minMs: 1_000, maxMs: 20_000 });
      expect(latencyOf(arrived.at(-1)!)).toBeLessThan(60);
      await settle([], { minMs: 1_000, maxMs: 2_000 });
    } finally {
      clearInterval(timer);
    }
  });
});
