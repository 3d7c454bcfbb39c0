/**
 * Loaded into a process with `--import`: measures the gaps of its event loop and reports them over IPC on request.
 *
 * A timer of 1 ms records the time since it last ran. A loop that was blocked for G ms shows a delay between
 * G and G + 1 ms, so the figure is at most 1 ms too high and never too low. The histogram behind
 * nodejs_eventloop_lag_max_seconds has a period of 10 ms: it shows up to 10 ms more than the gap, too imprecise for a limit
 * of 20.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

export interface Gaps {
  /** ms */
  readonly longest: number;
  readonly p99: number;
}

if (isMainThread && process.send) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  process.on('message', (message) => {
    if (message === 'gaps') process.send?.({ longest: delay.max / 1e6, p99: delay.percentile(99) / 1e6 });
    delay.reset();
  });
  // The measurement must not keep the process alive.
  process.channel?.unref();
}
