import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Closer } from '../../agent/lifecycle/closer.ts';
import { seededRandom } from '../../calibration/train/random.ts';
import { fastCameras as cameras } from '../rigs/fast-agent.ts';
import { openKillings } from '../rigs/killings.ts';
import { mosquittoMissing } from '../rigs/mosquitto.ts';

const killings = 14;
/** Minimum number of results between two kills, every second time. */
const flowing = 250;
const seed = 20_261_124;

describe('nothing is lost when agent and broker are killed', () => {
  it(`every number arrives at least once, in order, after ${killings} kills at random moments`, async (context) => {
    if (mosquittoMissing) return context.skip(mosquittoMissing);
    await using opened = new Closer();
    const folder = await mkdtemp(join(tmpdir(), 'qc-killed-'));
    opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const random = seededRandom(seed);
    const upTo = (most: number) => random.next() * most;
    const killing = opened.use(await openKillings({ folder, random }));
    const { historian, kinds } = killing;
    for (let kills = 0; kills < killings; kills++) {
      // Every second one occurs while results arrive, the others at any time, including the start.
      if (kills % 2 === 0) await killing.flows(flowing);
      await sleep(upTo(2_000));
      // Each kind once, then random ones.
      await killing.happens(
        kinds[kills % 2 === 0 ? (kills / 2) % kinds.length : Math.floor(upTo(kinds.length))]!,
      );
    }

    const { newest, waiting, dropped } = await killing.finish();
    expect([waiting, dropped]).toEqual([0, 0]);
    for (const camera of cameras) {
      const all = Array.from({ length: newest.get(camera)! }, (_, index) => index + 1);
      const results = historian.results.get(camera)!;
      expect(results.map(({ sequence }) => sequence)).toEqual(all);
      expect(results.some(({ historical }) => historical)).toBe(true);
      const verdicts = historian.verdicts.get(camera)!;
      expect(verdicts.map(({ sequence }) => sequence).sort((a, b) => a - b)).toEqual(all);
    }
    // A number is never used for another part.
    expect(historian.ambiguous).toEqual([]);
    expect(killing.results).toBeGreaterThanOrEqual((killings / 2) * flowing);
    console.log(
      `${killing.killed.agents + 1} agents, ${killing.results} results, ${historian.deliveries} deliveries`,
    );
  }, 300_000);
});
