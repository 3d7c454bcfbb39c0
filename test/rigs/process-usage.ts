/** What processes use, read from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** Memory of these processes that lies in RAM, shared pages counted in each, MB. */
export function rssMb(pids: readonly number[]): number {
  let kilobytes = 0;
  for (const pid of pids) {
    const status = orElse('', () => readFileSync(`/proc/${pid}/status`, 'utf8'));
    kilobytes += Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
  }
  return kilobytes / 1024;
}

/** Files, sockets and pipes that these processes have open. */
export function openFiles(pids: readonly number[]): number {
  return pids.reduce(
    (sum, pid) => sum + orElse<string[]>([], () => readdirSync(`/proc/${pid}/fd`)).length,
    0,
  );
}

/** A process that has ended has nothing. */
function orElse<T>(other: T, read: () => T): T {
  try {
    return read();
  } catch {
    return other;
  }
}
