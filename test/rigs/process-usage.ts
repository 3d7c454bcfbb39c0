/** Resources of processes, read from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** Resident memory of these processes, with shared pages counted in each, MB. */
export function rssMb(pids: readonly number[]): number {
  let kilobytes = 0;
  for (const pid of pids) {
    const status = orElse('', () => readFileSync(`/proc/${pid}/status`, 'utf8'));
    kilobytes += Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
  }
  return kilobytes / 1024;
}

/** Number of open files, sockets and pipes of these processes. */
export function openFiles(pids: readonly number[]): number {
  return pids.reduce(
    (sum, pid) => sum + orElse<string[]>([], () => readdirSync(`/proc/${pid}/fd`)).length,
    0,
  );
}

/** A process that has ended uses nothing. */
function orElse<T>(other: T, read: () => T): T {
  try {
    return read();
  } catch {
    return other;
  }
}
