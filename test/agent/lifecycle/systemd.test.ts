import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Liveness } from '../../../agent/lifecycle/liveness.ts';
import { openServiceManager, type ServiceManager } from '../../../agent/lifecycle/systemd.ts';
import { type NotifySocket, notifyMissing, openNotifySocket } from '../../rigs/notify-socket.ts';
import { until } from '../../rigs/until.ts';

const missing = notifyMissing();
if (missing) console.info(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('notifications to systemd, over a real socket', () => {
  let systemd: NotifySocket;
  let manager: ServiceManager;
  let log: string[];
  const feeds = () => systemd.heard.filter((line) => line === 'WATCHDOG=1').length;
  const open = (more: Record<string, string> = {}) => {
    manager = openServiceManager(
      { PATH: process.env.PATH, NOTIFY_SOCKET: systemd.path, ...more },
      { log: pino({}, { write: (line: string) => void log.push(line) }), pid: 42 },
    );
  };
  const hears = (line: string) =>
    until(() => systemd.heard.includes(line), { timeoutMs: 20_000, what: `${line} at the socket` });

  beforeEach(async () => {
    log = [];
    systemd = await openNotifySocket();
  });
  afterEach(async () => {
    await manager[Symbol.asyncDispose]();
    await systemd[Symbol.asyncDispose]();
  });

  it('are starting, ready, and stopping, in this order', async () => {
    open();
    manager.status('starting');
    manager.status('inspecting');
    manager.ready(() => undefined);
    await hears('READY=1');
    manager.status('degraded: camera top:\n no answer');
    await hears('STATUS=degraded: camera top: no answer');
    manager.stopping();
    await manager[Symbol.asyncDispose]();
    expect(systemd.heard.at(-1)).toBe('STOPPING=1');
    expect(feeds()).toBe(0);
    expect(log).toEqual([]);
  });

  it('the watchdog is notified while work progresses, not while it hangs, and again after its end', async () => {
    open({ WATCHDOG_USEC: '300000', WATCHDOG_PID: '42' });
    const liveness = new Liveness();
    const judging = liveness.job('the inference', 200);
    manager.ready(() => liveness.hang());
    await until(() => feeds() >= 3, { what: 'the watchdog to be fed' });

    let release = () => {};
    const hung = judging(() => new Promise<void>((resolve) => (release = resolve)));
    await until(
      () => log.some((line) => line.includes('the systemd watchdog is not notified: the inference')),
      {
        what: 'the hang to be noticed',
      },
    );
    // Earlier messages have arrived when a later one arrives.
    manager.status('mark');
    await hears('STATUS=mark');
    const before = feeds();
    const ticks = performance.now() + 1_000;
    await until(() => performance.now() > ticks, { what: 'ten ticks' });
    expect(feeds()).toBe(before);

    release();
    await hung;
    await until(() => feeds() > before, { what: 'the watchdog to be fed again' });
  });

  it('a watchdog of another process is not notified', async () => {
    open({ WATCHDOG_USEC: '30000', WATCHDOG_PID: '43' });
    manager.ready(() => undefined);
    await hears('READY=1');
    manager.stopping();
    await hears('STOPPING=1');
    expect(feeds()).toBe(0);
  });

  it('a missing systemd-notify gives one warning and no fault', async () => {
    open({ PATH: '/nowhere', WATCHDOG_USEC: '30000' });
    manager.ready(() => undefined);
    await until(() => log.some((line) => line.includes('systemd-notify is not installed here')), {
      what: 'the warning',
    });
    manager.stopping();
    await manager[Symbol.asyncDispose]();
    expect(log).toHaveLength(1);
  });
});
