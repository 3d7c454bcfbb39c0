/** One plant with all faults, one after the other; the agent recovers without help and leaks nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../calibration/train/random.ts';
import { type ChaosPlant, nothingIsMissing, openChaosPlant, type Vitals } from '../rigs/chaos.ts';
import { sendGarbageCommands, sendGarbageRequests } from '../rigs/garbage.ts';
import { shimMissing } from '../rigs/shim.ts';
import { smallDiskMissing } from '../rigs/small-disk.ts';
import { until } from '../rigs/until.ts';

/** Allowed increase after the start: some files, and memory because of caches. */
const moreFiles = 12;
const moreMb = 250;

describe('all faults are survived without help', () => {
  let chaos: ChaosPlant;
  let before: Vitals;
  beforeAll(async () => {
    chaos = await openChaosPlant({ diskMb: 200, shimmed: true });
    before = chaos.vitals();
  });
  afterAll(() => chaos?.[Symbol.asyncDispose]());

  // The fault has ended now.
  afterEach(async () => {
    await chaos.recovers();
    await nothingIsMissing(chaos);
    const { plant } = chaos;
    expect((await plant.metrics()).value('qc_outbox_dropped_total')).toBe(0);
    const holds = () => {
      const { rssMb, files, processes } = chaos.vitals();
      return (
        processes === before.processes && files <= before.files + moreFiles && rssMb <= before.rssMb + moreMb
      );
    };
    const words = () =>
      `${JSON.stringify(chaos.vitals())} to be no more than ${JSON.stringify(before)} and some`;
    await until(holds, { timeoutMs: 15_000, everyMs: 100 }).catch(() => expect.fail(words()));
  });

  const counted = async (name: string, labels: Record<string, string> = {}) =>
    (await chaos.plant.metrics()).value(name, labels) ?? 0;
  const notReady = (who: string) =>
    until(
      async () => {
        const { status, text } = await chaos.readyz();
        return status === 503 && text.includes(`"${who}","ready":false`);
      },
      { timeoutMs: 20_000, everyMs: 50, what: `/readyz to say that the ${who} is not ready` },
    );

  it('a camera that is reset every few seconds', async () => {
    const reconnects = await counted('qc_camera_reconnects_total');
    for (let reset = 0; reset < 4; reset++) {
      await chaos.plant.line.disconnectAll();
      await sleep(1_500);
    }
    const isBack = async () => (await counted('qc_camera_reconnects_total')) >= reconnects + 2;
    await until(isBack, { timeoutMs: 20_000, everyMs: 100, what: 'the camera to be opened again' });
  });

  it('frames that are corrupted at random', async () => {
    const corrupt = { camera: 'top', reason: 'corrupt' };
    const damaged = await counted('qc_frames_dropped_total', corrupt);
    await chaos.plant.line.corrupt(0.3, 7);
    const isCounted = async () => (await counted('qc_frames_dropped_total', corrupt)) >= damaged + 5;
    await until(isCounted, { timeoutMs: 30_000, everyMs: 100, what: 'damaged pictures to be counted' });
    await chaos.plant.line.corrupt(0);
  });

  it('a broker that stops and restarts repeatedly', async () => {
    for (let flap = 0; flap < 3; flap++) {
      await chaos.plant.broker.die();
      await notReady('broker');
      await chaos.plant.brokerComesBack();
    }
  });

  it('a half-open connection', async () => {
    chaos.valve.shut();
    await notReady('broker');
    const waits = async () => (await counted('qc_outbox_messages')) > 5;
    await until(waits, { timeoutMs: 20_000, everyMs: 50, what: 'results to wait' });
    chaos.valve.open();
  });

  it('a disk that needs half a second for every write', async (context) => {
    if (!chaos.shim) return context.skip(shimMissing ?? '');
    const slowed = await chaos.shim.slowed();
    await chaos.shim.fsync(500);
    await chaos.plant.nextResults(8, 40_000);
    expect((await fetch(`${chaos.plant.url}/healthz`)).ok).toBe(true);
    expect(await chaos.shim.slowed()).toBeGreaterThan(slowed + 2);
    await chaos.shim.fsync(0);
  });

  it('a disk that is full', async (context) => {
    if (!chaos.disk) return context.skip(smallDiskMissing ?? '');
    await chaos.disk.fill(0);
    await chaos.plant.says((now) => now.online && now.state === 'degraded', 'the disk is full');
    await chaos.plant.nextResults(5, 30_000);
    expect((await fetch(`${chaos.plant.url}/healthz`)).ok).toBe(true);
    await chaos.disk.clear();
  });

  it('a clock that jumps an hour ahead, and back again', async (context) => {
    if (!chaos.shim) return context.skip(shimMissing ?? '');
    await chaos.shim.clock(3_600_000);
    const isAhead = () => Date.parse(chaos.plant.results.at(-1)!.publishedAt) > Date.now() + 3_000_000;
    await until(isAhead, { timeoutMs: 20_000, everyMs: 50, what: 'a result of an hour ahead' });
    await chaos.plant.nextResults(3);
    await chaos.shim.clock(0);
    await until(() => !isAhead(), { timeoutMs: 20_000, everyMs: 50, what: 'a result of now' });
    await chaos.plant.nextResults(3);
  });

  it('a stopped process, for longer than the broker waits', async () => {
    const { plant } = chaos;
    plant.agent.kill('SIGSTOP');
    await plant.says((now) => !now.online, 'the last will');
    plant.agent.kill('SIGCONT');
  });

  it('a thousand garbage commands and a thousand garbage requests', { timeout: 120_000 }, async () => {
    const { plant } = chaos;
    const random = seededRandom(11);
    await sendGarbageCommands(plant.probe, plant.topic, 1_000, random);
    const { statuses } = await sendGarbageRequests(plant.url, 1_000, random);
    expect(statuses.length).toBeGreaterThan(500);
    expect(statuses.filter((status) => status >= 500 && status !== 503)).toEqual([]);
    const replies = plant.probe.heard.filter(({ topic }) => topic.endsWith('/reply'));
    expect(replies.length).toBeGreaterThan(100);
    expect(replies.filter(({ json }) => json.ok)).toEqual([]);
    expect((await fetch(`${plant.url}/healthz`)).ok).toBe(true);
  });
});
