/**
 * Notifies systemd with the protocol of sd_notify(3). Node.js cannot open datagram sockets in the file
 * system, so `systemd-notify`, which is part of systemd, sends the messages; the unit needs `NotifyAccess=all` for
 * that. A shell that is started once, while the agent is small, starts it: forking a process that holds a model stops its
 * main loop for 100 ms and more. Without NOTIFY_SOCKET nothing happens at all.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Environment } from '../../config/environment.ts';
import { FaultLog, type Log } from './log.ts';

export interface ServiceManagerDeps {
  readonly log: Log;
  /** Pid of this process: the watchdog may be for another process. */
  readonly pid: number;
}

export interface ServiceManager extends AsyncDisposable {
  /** State of the agent in one line, for `systemctl status`. */
  status(text: string): void;
  /**
   * The agent is ready. If the unit has a watchdog, it is notified three times per interval,
   * as long as the event loop runs and nothing hangs.
   */
  ready(hang: () => string | undefined): void;
  /** The agent is stopping. Closing waits until the message is sent. */
  stopping(): void;
}

/** Messages to send; a newer value replaces an older one. */
type Message = Map<string, string>;

/**
 * Each line is one message, with tabs between its assignments; the answer is `0` or one line with the error.
 * A signal to the whole process group does not end it, because the last message is still to be sent.
 */
const script = `
trap '' TERM INT
IFS='	'
set -f
while read -r line; do
  if said=$(systemd-notify -- $line 2>&1 </dev/null); then echo 0; else (unset IFS; echo $said failed); fi
done`;

/** systemd-notify waits at most 5 s until systemd has read a message. */
const answerMs = 10_000;

export function openServiceManager(env: Environment, { log, pid }: ServiceManagerDeps): ServiceManager {
  const socket = env.NOTIFY_SOCKET;
  const intervalMs = watchdogMs(env, pid);
  const faults = new FaultLog(log.child({ component: 'systemd' }));
  const waiting: Message = new Map();
  let sender: Sender | undefined = socket ? openSender({ PATH: env.PATH, NOTIFY_SOCKET: socket }) : undefined;
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
    // Values set in the same tick are sent in one message.
    await Promise.resolve();
    while (waiting.size > 0) {
      const line = Array.from(waiting, ([key, value]) => `${key}=${value}`).join('\t');
      waiting.clear();
      sender ??= openSender({ PATH: env.PATH, NOTIFY_SOCKET: socket });
      const fault = await sender.send(line);
      if (fault === undefined) continue;
      faults.warn(`systemd could not be notified: ${fault}`);
      if (sender.ended) sender = undefined;
    }
  }

  async function close(): Promise<void> {
    clearInterval(feeding);
    await sending;
    await sender?.close();
  }

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
        else faults.warn(`the systemd watchdog is not notified: ${what}`);
      };
      feeding = setInterval(feed, intervalMs / 3);
      feed();
    },
    stopping() {
      clearInterval(feeding);
      waiting.delete('WATCHDOG');
      say('STOPPING', '1');
    },
    [Symbol.asyncDispose]: close,
  };
}

interface Sender {
  /** Resolves with the error, or undefined if the message was sent. One at a time. */
  send(line: string): Promise<string | undefined>;
  readonly ended: boolean;
  close(): Promise<void>;
}

function openSender(env: NodeJS.ProcessEnv): Sender {
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn('/bin/sh', ['-c', script], {
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const answers = createInterface({ input: child.stdout });
  let ended = false;
  let fault = 'the shell that starts systemd-notify ended';
  const gone = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      fault = error.message;
      resolve();
    });
    child.once('close', resolve);
  }).then(() => {
    ended = true;
  });
  child.stdin.on('error', () => undefined);
  return {
    get ended() {
      return ended;
    },
    async send(line) {
      const late = setTimeout(() => child.kill('SIGKILL'), answerMs);
      const answer = once(answers, 'line').then(([text]) => text as string);
      child.stdin.write(`${line}\n`);
      const said = await Promise.race([answer, gone.then(() => fault)]);
      clearTimeout(late);
      return said === '0'
        ? undefined
        : /systemd-notify: (\S+ )?not found/.test(said)
          ? 'systemd-notify is not installed here'
          : said;
    },
    async close() {
      child.stdin.end();
      await gone;
    },
  };
}

/** Watchdog timeout, ms, as read by sd_watchdog_enabled(3); undefined without a watchdog. */
function watchdogMs(env: Environment, pid: number): number | undefined {
  const microseconds = Number(env.WATCHDOG_USEC);
  const isOurs = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === pid;
  return isOurs && microseconds > 0 ? microseconds / 1_000 : undefined;
}
