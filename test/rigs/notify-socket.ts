/** Receives the notifications to systemd over a real datagram socket; Node.js cannot open one, so python3 does. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const script = new URL('../../../test/rigs/notify-socket.py', import.meta.url).pathname;
const python = '/usr/bin/python3';

/** The reason why this is impossible here; undefined if it is possible. */
export function notifyMissing(): string | undefined {
  if (spawnSync('systemd-notify', ['--version']).status !== 0)
    return 'systemd-notify is not installed here (systemd)';
  return spawnSync(python, ['--version']).status === 0 ? undefined : 'python3 is not installed here';
}

export interface NotifySocket extends AsyncDisposable {
  /** Value of NOTIFY_SOCKET. */
  readonly path: string;
  /** All received assignments in order, such as `READY=1`. */
  readonly heard: readonly string[];
}

export async function openNotifySocket(): Promise<NotifySocket> {
  const folder = await mkdtemp(join(tmpdir(), 'qc-notify-'));
  const path = join(folder, 'socket');
  const child = spawn(python, [script, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const heard: string[] = [];
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line');
  lines.on('line', (line) => {
    const assignments = (JSON.parse(line) as string).split('\n').filter(Boolean);
    heard.push(...assignments.filter((assignment) => assignment !== 'BARRIER=1'));
  });
  return {
    path,
    heard,
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
