/** Inspection on the same machine comes first. */
import { spawnSync } from 'node:child_process';
import { constants, setPriority } from 'node:os';

/**
 * Gives this process, and the threads it starts from now on, only the time that nobody else wants (Linux `SCHED_IDLE`, sched(7)):
 * beside the lowest niceness an inference of two threads still lost a third of its speed, since each waits for the other.
 * Elsewhere, or where it is forbidden, the lowest niceness has to do.
 */
export function standBack(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // A container may forbid it: then it runs as it is.
  }
  spawnSync('chrt', ['--idle', '--all-tasks', '--pid', '0', String(pid)], { stdio: 'ignore' });
}
