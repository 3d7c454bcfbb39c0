import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until the condition holds and gives its value back.
 * @throws Error naming `what` when it does not hold in time
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 15_000, what = 'the condition' }: { timeoutMs?: number; what?: string } = {},
): Promise<NonNullable<T>> {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > endsAt) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await sleep(10);
  }
}
