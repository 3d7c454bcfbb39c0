import { expect, it } from 'vitest';
import { retry } from '../../../agent/lifecycle/retry.ts';

it('tries again after every end with increasing waits until it is stopped', async () => {
  const stop = new AbortController();
  const failures: { error: unknown; waitMs: number }[] = [];
  let attempts = 0;
  await retry(
    async () => {
      attempts++;
      if (attempts === 1) return;
      throw new Error(`attempt ${attempts}`);
    },
    {
      signal: stop.signal,
      minMs: 2,
      maxMs: 20,
      onFailure(error, waitMs) {
        failures.push({ error, waitMs });
        if (failures.length === 12) stop.abort();
      },
    },
  );
  expect(attempts).toBe(12);
  expect(failures[0]?.error).toMatchObject({ message: 'ended without an error' });
  expect(failures[1]?.error).toMatchObject({ message: 'attempt 2' });
  // Full jitter: each wait is below a limit that doubles up to the maximum.
  for (const [index, { waitMs }] of failures.entries()) {
    expect(waitMs).toBeGreaterThanOrEqual(1);
    expect(waitMs).toBeLessThanOrEqual(Math.min(20, 2 * 2 ** index));
  }
});

it('ends a wait immediately when it is stopped', async () => {
  const stop = new AbortController();
  const running = retry(() => Promise.reject(new Error('away')), {
    signal: stop.signal,
    minMs: 3_600_000,
    maxMs: 7_200_000,
    onFailure: () => setImmediate(() => stop.abort()),
  });
  await expect(running).resolves.toBeUndefined();
});

it('passes the signal to the attempt, and ignores the error that follows', async () => {
  const stop = new AbortController();
  let told = 0;
  await retry(
    (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        setImmediate(() => stop.abort());
      }),
    { signal: stop.signal, onFailure: () => told++ },
  );
  expect(told).toBe(0);
});

it('waits for minutes after a refused log-in, and logs in immediately with new credentials', async () => {
  const stop = new AbortController();
  let change = new AbortController();
  const waits: number[] = [];
  await retry(() => Promise.reject(new Error('refused')), {
    signal: stop.signal,
    minMs: 2,
    login: {
      refused: () => true,
      get changed() {
        return change.signal;
      },
    },
    onFailure(_error, waitMs) {
      waits.push(waitMs);
      if (waits.length === 3) stop.abort();
      const changing = change;
      setImmediate(() => {
        change = new AbortController();
        changing.abort();
      });
    },
  });
  expect(waits).toEqual([60_000, 60_000, 60_000]);
});
