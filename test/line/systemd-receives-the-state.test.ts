import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NotifySocket, notifyMissing, openNotifySocket } from '../rigs/notify-socket.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import { until } from '../rigs/until.ts';

const missing = notifyMissing();
if (missing) console.info(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('systemd receives the state of the agent', () => {
  let systemd: NotifySocket;
  let plant: Plant;
  const feeds = () => systemd.heard.filter((line) => line === 'WATCHDOG=1').length;
  const hears = (wanted: string | RegExp) =>
    until(
      () => systemd.heard.some((line) => (typeof wanted === 'string' ? line === wanted : wanted.test(line))),
      {
        timeoutMs: 30_000,
        what: `${wanted} at the socket`,
      },
    );
  const fedAgain = async (times: number) => {
    const before = feeds();
    await until(() => feeds() >= before + times, { timeoutMs: 30_000, what: `${times} more feeds` });
  };

  beforeAll(async () => {
    systemd = await openNotifySocket();
    plant = await openPlant({ env: { NOTIFY_SOCKET: systemd.path, WATCHDOG_USEC: '900000' } });
  });
  afterAll(async () => {
    await plant?.[Symbol.asyncDispose]();
    await systemd?.[Symbol.asyncDispose]();
  });

  it('is ready when it serves, and reports that it inspects', async () => {
    await hears('READY=1');
    expect((await fetch(`${plant.url}/healthz`)).ok).toBe(true);
    await hears('STATUS=inspecting');
    expect(systemd.heard[0]).toBe('STATUS=starting');
    await fedAgain(2);
  });

  it('a camera that is offline is in the status, and the watchdog is still notified', async () => {
    await plant.line.stop();
    await hears(/^STATUS=degraded: camera top: /);
    await fedAgain(6);
  });

  it('a stopped process does not notify the watchdog until it continues', async () => {
    plant.agent.kill('SIGSTOP');
    try {
      // A message in transit may still arrive.
      let seen = -1;
      await until(
        () => {
          const still = feeds() === seen;
          seen = feeds();
          return still;
        },
        { everyMs: 1_500, timeoutMs: 30_000, what: 'the feeding to end' },
      );
    } finally {
      plant.agent.kill('SIGCONT');
    }
    await fedAgain(2);
  });

  it('reports that it stops, and stops', async () => {
    expect(await plant.stop('SIGTERM')).toBe(0);
    await hears('STOPPING=1');
    expect(systemd.heard.filter((line) => line === 'READY=1')).toHaveLength(1);
    expect(systemd.heard.at(-1)).toBe('STATUS=stopping');
  });
});
