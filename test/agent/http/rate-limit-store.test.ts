import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { RateLimitStore } from '../../../agent/http/rate-limit-store.ts';

const count = (store: RateLimitStore, key: string, windowMs = 60_000) => {
  let counted: { current: number; ttl: number } | undefined;
  store.incr(
    key,
    (_, result) => {
      counted = result;
    },
    windowMs,
  );
  return counted!;
};

it('counts each key separately, and restarts after the window', async () => {
  const store = new RateLimitStore();
  expect([count(store, 'a').current, count(store, 'a').current, count(store, 'b').current]).toEqual([
    1, 2, 1,
  ]);
  expect(count(store, 'a').ttl).toBeLessThanOrEqual(60_000);
  expect(count(store.child(), 'a').current).toBe(1);
  count(store, 'c', 20);
  await sleep(25);
  expect(count(store, 'c', 20)).toMatchObject({ current: 1, ttl: 20 });
});

it('forgets the key that was unused for the longest time', () => {
  const store = new RateLimitStore();
  for (let n = 0; n <= 5_000; n++) count(store, `key ${n}`);
  expect(count(store, 'key 0').current).toBe(1);
  expect(count(store, 'key 5000').current).toBe(2);
});
