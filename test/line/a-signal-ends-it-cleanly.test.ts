import { describe, expect, it } from 'vitest';
import { openProbe } from '../rigs/mqtt-probe.ts';
import { openPlant, type Plant } from '../rigs/plant.ts';

interface Ending {
  readonly when: string;
  readonly signal: NodeJS.Signals;
  readonly before: (plant: Plant) => Promise<unknown>;
  /** Whether the final status cannot be published. */
  readonly brokerAway?: boolean;
}

const endings: readonly Ending[] = [
  { when: 'while it inspects', signal: 'SIGTERM', before: (plant) => plant.nextResults(2) },
  { when: 'while it inspects', signal: 'SIGINT', before: (plant) => plant.nextResults(2) },
  {
    when: 'with the broker offline',
    signal: 'SIGTERM',
    before: async (plant) => {
      await plant.nextResults(2);
      await plant.broker.die();
      await plant.agent.logs(/broker|hung up/);
    },
    brokerAway: true,
  },
  {
    when: 'with the camera offline',
    signal: 'SIGTERM',
    before: async (plant) => {
      await plant.nextResults(2);
      await plant.line.stop();
      await plant.says((status) => status.online && status.state === 'degraded', 'degraded');
    },
  },
  {
    when: 'with a camera that no longer answers',
    signal: 'SIGTERM',
    before: async (plant) => {
      await plant.nextResults(2);
      await plant.line.stall(true);
    },
  },
  { when: 'during start-up', signal: 'SIGTERM', before: async () => undefined },
];

describe('a signal ends it cleanly within 5 s', () => {
  it.each(endings)('$signal $when', async ({ signal, before, brokerAway = false }) => {
    await using plant = await openPlant({ trigger: { kind: 'continuous', everyMs: 200 } });
    await before(plant);
    const { pid } = plant.agent;
    if (process.platform === 'linux') expect(plant.agent.processes()).toContain(pid);

    const toldAt = performance.now();
    expect(await plant.stop(signal)).toBe(0);
    expect(performance.now() - toldAt).toBeLessThan(5_000);
    expect(plant.agent.processes()).toEqual([]);
    await expect(fetch(`${plant.url}/healthz`)).rejects.toThrow();
    expect(plant.agent.logLines.filter(({ level }) => level >= 50)).toEqual([]);
    if (brokerAway) return;

    await using late = await openProbe(plant.broker.url);
    const goodbye = await late.hears(`${plant.topic}/status`);
    expect(goodbye.retained).toBe(true);
    expect(goodbye.json).toEqual({ schema: 1, online: false, reason: 'stopped' });
    // All judged parts were delivered before.
    expect(plant.statuses.at(-1)).toEqual(goodbye.json);
    expect(plant.verdicts.length).toBe(plant.results.length);
  });
});
