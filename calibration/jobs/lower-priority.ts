/** Lowers the priority of a process below that of the inspection. */
import { spawnSync } from 'node:child_process';
import { constants, setPriority } from 'node:os';

/**
 * Uses the Linux scheduling policy `SCHED_IDLE` (sched(7)) for the process and its threads: with the lowest nice value, an inference
 * with two threads still lost a third of its speed, because its threads wait for each other. On other systems, or if it is
 * forbidden, only the nice value is used.
 */
export function lowerPriority(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // A container may forbid it.
  }
  spawnSync('chrt', ['--idle', '--all-tasks', '--pid', '0', String(pid)], { stdio: 'ignore' });
}
