/**
 * Tells systemd how the agent is, by the protocol of sd_notify(3). Node.js cannot open datagram sockets in the file
 * system, so `systemd-notify`, which is there wherever systemd is, sends for us: one short process for each message,
 * at most one at a time. The unit needs `NotifyAccess=all` for that. Without NOTIFY_SOCKET nothing happens at all.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Environment } from '../../config/environment.ts';
import { FaultLog, type Log } from './log.ts';

export interface ServiceManagerDeps {
  readonly log: Log;
  /** Number of this process: a watchdog may be meant for another one. */
  readonly pid: number;
}

export interface ServiceManager extends AsyncDisposable {
  /** What the agent does, one line for `systemctl status`. */
  status(text: string): void;
  /**
   * The agent serves. From now on the watchdog is fed, where the unit has one, three times in each of its intervals,
   * as long as this loop turns and nothing hangs.
   */
  ready(hang: () => string | undefined): void;
  /** The agent ends. Closing waits until it was sent. */
  stopping(): void;
}

/** What waits to be sent; a newer value takes the place of an older one. */
type Message = Map<string, string>;

/** systemd-notify waits at most 5 s for systemd to have read it. */
const sendMs = 10_000;

export function openServiceManager(env: Environment, { log, pid }: ServiceManagerDeps): ServiceManager {
  const socket = env.NOTIFY_SOCKET;
  const intervalMs = watchdogMs(env, pid);
  const faults = new FaultLog(log.child({ component: 'systemd' }));
  const waiting: Message = new Map();
  let sending: Promise<void> | undefined;
  let feeding: NodeJS.Timeout | undefined;
  let lastStatus = '';

  function say(key: string, value: string): void {
    if (!socket) return;
    waiting.set(key, value);
    sending ??= flush().finally(() => {
      sending = undefined;
    });
  }

  async function flush(): Promise<void> {
    // What is said in one go travels in one message.
    await Promise.resolve();
    while (waiting.size > 0) {
      const lines = Array.from(waiting, ([key, value]) => `${key}=${value}`);
      waiting.clear();
      await send(lines).catch((error: Error) => faults.warn(`systemd could not be told: ${reason(error)}`));
    }
  }

  const send = (lines: readonly string[]) =>
    promisify(execFile)('systemd-notify', lines, {
      env: { PATH: env.PATH, NOTIFY_SOCKET: socket },
      timeout: sendMs,
      killSignal: 'SIGKILL',
    });

  return {
    status(text) {
      const line = text.replace(/\s+/g, ' ').slice(0, 1_000);
      if (line !== lastStatus) say('STATUS', line);
      lastStatus = line;
    },
    ready(hang) {
      say('READY', '1');
      if (intervalMs === undefined) return;
      const feed = () => {
        const what = hang();
        if (what === undefined) say('WATCHDOG', '1');
        else faults.warn(`the watchdog is not fed: ${what}`);
      };
      feeding = setInterval(feed, intervalMs / 3);
      feed();
    },
    stopping() {
      clearInterval(feeding);
      waiting.delete('WATCHDOG');
      say('STOPPING', '1');
    },
    async [Symbol.asyncDispose]() {
      clearInterval(feeding);
      await sending;
    },
  };
}

/** How long systemd waits for a sign of life, ms, as sd_watchdog_enabled(3) reads it; undefined where it does not. */
function watchdogMs(env: Environment, pid: number): number | undefined {
  const microseconds = Number(env.WATCHDOG_USEC);
  const isOurs = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === pid;
  return isOurs && microseconds > 0 ? microseconds / 1_000 : undefined;
}

function reason(error: Error & { code?: string | number; stderr?: string }): string {
  if (error.code === 'ENOENT') return 'systemd-notify is not installed here';
  return error.stderr?.trim() || error.message;
}
