import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Result } from '../../agent/publish/messages.ts';
import { type Delay, openDelay } from '../rigs/delay.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';
import { until } from '../rigs/until.ts';

const condition = { camera: 'top' };
const frozen = /camera frozen/;

describe('an old image never passes', () => {
  let plant: Plant;
  let delay: Delay;
  beforeAll(async () => {
    plant = await openPlant({
      trigger: { kind: 'command', timeoutMs: 1_000 },
      camera: { maxAgeMs: 1_000, freezeMs: 60_000, stallMs: 10_000 },
      async settings(_, { cameras }) {
        const top = cameras.top as { url: string };
        const url = new URL(top.url);
        delay = await openDelay(Number(url.port));
        url.port = String(delay.port);
        return { cameras: { top: { ...top, url: url.href } } };
      },
    });
    await plant.ready();
  });
  afterAll(async () => {
    await plant?.[Symbol.asyncDispose]();
    await delay?.[Symbol.asyncDispose]();
  });

  async function judged(): Promise<Result> {
    const { jobId } = await until(
      async () => {
        const reply = await plant.command('trigger', { camera: 'top' });
        return reply.ok ? reply : undefined;
      },
      { timeoutMs: 20_000, what: 'an accepted trigger' },
    );
    return until(() => plant.results.find((result) => result.jobId === jobId), { what: 'the result' });
  }
  const is = async (name: string) =>
    (await plant.metrics()).value('qc_camera_condition', { ...condition, condition: name });

  it('of a late stream: the camera is not ready until the backlog is processed', async () => {
    // The rate of the timestamps is now known.
    await until(async () => ((await plant.metrics()).value('qc_frames_received_total') ?? 0) >= 60, {
      what: 'frames',
    });
    expect((await judged()).reasons.join()).not.toMatch(/old|frozen/);
    const before = plant.results.length;
    delay.set(3_000);
    const status = await plant.says((now) => now.online && now.state === 'degraded', 'late');
    expect(status).toMatchObject({
      reasons: [expect.stringMatching(/after their capture, more than maxAgeMs/)],
    });
    expect(await is('late')).toBe(1);
    const lag = async () => (await plant.metrics()).value('qc_camera_lag_seconds', condition) ?? 0;
    await until(async () => (await lag()) > 2.5, { what: 'the lag in the metrics' });
    expect(await lag()).toBeLessThan(4);
    expect((await fetch(`${plant.url}/readyz`)).status).toBe(503);
    expect((await plant.command('trigger', { camera: 'top' })).ok).toBe(false);
    expect(plant.results.length).toBe(before);

    delay.set(0);
    await plant.says((now) => now.online && now.state === 'inspecting', 'inspecting again');
    expect(await is('late')).toBe(0);
    expect((await judged()).reasons.join()).not.toMatch(/old|frozen/);
  });

  it('of a frozen camera: from the first trigger, and after a restart of the agent', async () => {
    await plant.line.freeze(true);
    // The frozen image may be judged once, as the last new one. New images may be in transit for a second.
    const received = async () => (await plant.metrics()).value('qc_frames_received_total') ?? 0;
    const before = await received();
    await until(async () => (await received()) >= before + 40, { what: 'frames of the camera that hangs' });
    const first = await judged();
    for (const result of [first, await judged(), await judged()]) {
      expect(result).toMatchObject({ state: 'completed' });
      expect(result.verdict).not.toBe('pass');
      if (result.verdict === 'uncertain') expect(result.reasons.join()).toMatch(/frozen|unfamiliar|below/);
    }
    await plant.restart();
    await plant.ready();
    const restarted = await judged();
    expect(restarted.verdict).not.toBe('pass');

    await plant.line.freeze(false);
    await until(async () => !frozen.test((await judged()).reasons.join()), {
      timeoutMs: 20_000,
      what: 'an image that is new',
    });
  });
});
