import { cpuUsage } from 'node:process';

/** CPU time of one call, all threads of this process, ms: mean over repeated calls. */
export async function cpuMs(call: () => unknown, minMs = 50): Promise<number> {
  const before = cpuUsage();
  const startedAt = performance.now();
  let calls = 0;
  do {
    await call();
    calls++;
  } while (performance.now() - startedAt < minMs);
  const { user, system } = cpuUsage(before);
  return (user + system) / 1000 / calls;
}
