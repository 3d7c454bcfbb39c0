import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Closer } from '../../agent/lifecycle/closer.ts';
import { openDisk } from '../../agent/publish/outbox/disk.ts';
import { seededRandom } from '../../calibration/random.ts';
import { fastBase as base, fastCameras as cameras, fastAgent } from '../rigs/fast-agent.ts';
import { freePort } from '../rigs/free-port.ts';
import { openHistorian } from '../rigs/historian.ts';
import { mosquittoMissing, startMosquitto } from '../rigs/mosquitto.ts';
import type { AgentProcess } from '../rigs/plant-agent.ts';
import { scrape } from '../rigs/plant-metrics.ts';
import { until } from '../rigs/until.ts';

const killings = 14;
/** Results between two of them, at least, every other time. */
const flowing = 250;
const seed = 20_261_124;

describe('nothing is lost when agent and broker are killed', () => {
  it(`has every number once or more, in order, after ${killings} kills at random moments`, async (context) => {
    if (mosquittoMissing) return context.skip(mosquittoMissing);
    await using opened = new Closer();
    const folder = await mkdtemp(join(tmpdir(), 'qc-killed-'));
    opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const persistence = join(folder, 'broker');
    await mkdir(persistence);
    const port = await freePort();
    const startBroker = () => startMosquitto({ port, persistence });
    let broker = await startBroker();
    opened.defer(() => broker[Symbol.asyncDispose]());
    const historian = opened.use(await openHistorian(broker.url, base));

    const start = await fastAgent(folder, broker.url, 10);
    const agents: AgentProcess[] = [];
    const startOne = () => {
      const agent = start();
      agents.push(agent);
      return agent;
    };
    opened.defer(async () => {
      for (const agent of agents) await agent[Symbol.asyncDispose]();
    });
    let agent = startOne();

    const killAgent = async () => {
      agent.kill('SIGKILL');
      await agent.exited;
    };
    // mosquitto saves only now and then, so what it has acknowledged and not yet passed on may die with it. That is not
    // ours to prove: it never gets anything while its subscriber is away.
    const brokerBack = async () => {
      broker = await startBroker();
      await until(() => historian.connected, { timeoutMs: 20_000, what: 'the subscriber to be back' });
    };
    const random = seededRandom(seed);
    const upTo = (most: number) => random.next() * most;
    const events: Record<string, () => Promise<void>> = {
      async agent() {
        await killAgent();
        agent = startOne();
      },
      async broker() {
        await broker.kill();
        await sleep(upTo(1_500));
        agent.kill('SIGSTOP');
        await brokerBack();
        agent.kill('SIGCONT');
      },
      async both() {
        await Promise.all([killAgent(), broker.kill()]);
        await brokerBack();
        agent = startOne();
      },
      async agentWithoutBroker() {
        await broker.kill();
        await sleep(upTo(800));
        await killAgent();
        agent = startOne();
        await sleep(upTo(2_500));
        await killAgent();
        await brokerBack();
        agent = startOne();
      },
    };
    const kinds = Object.keys(events);
    const seen = () => cameras.reduce((sum, camera) => sum + (historian.results.get(camera)?.length ?? 0), 0);
    for (let kills = 0; kills < killings; kills++) {
      // Every other one comes while results flow, the rest at whatever moment, starting included.
      if (kills % 2 === 0) {
        const before = seen();
        await until(() => seen() >= before + flowing, { timeoutMs: 40_000, what: 'results to flow' });
      }
      await sleep(upTo(2_000));
      // Each kind comes, and then whichever.
      await events[kinds[kills % 2 === 0 ? (kills / 2) % kinds.length : Math.floor(upTo(kinds.length))]!]!();
    }

    const url = String((await agent.logs('page, API and metrics are served')).url);
    await until(
      async () => {
        const metrics = await scrape(url);
        return metrics.value('qc_mqtt_connected') === 1 && metrics.value('qc_outbox_messages')! < 20;
      },
      { timeoutMs: 60_000, everyMs: 100, what: 'the backlog to be sent' },
    );
    expect((await agent.stop('SIGTERM')).code).toBe(0);

    const disk = openDisk(join(folder, 'storage', 'outbox'), { readOnly: true });
    opened.defer(() => disk.close());
    const { sequences, queues } = disk.found();
    for (const [, { messages, dropped }] of queues) expect([messages, dropped]).toEqual([0, 0]);
    for (const camera of cameras) {
      const newest = sequences.get(camera)!;
      const results = () => historian.results.get(camera)!;
      await until(() => results().length >= newest, { what: `result ${newest} of ${camera}` });
      const all = Array.from({ length: newest }, (_, index) => index + 1);
      expect(results().map(({ sequence }) => sequence)).toEqual(all);
      expect(results().some(({ historical }) => historical)).toBe(true);
      const verdicts = historian.verdicts.get(camera)!;
      await until(() => verdicts.length >= newest, { what: `verdict ${newest} of ${camera}` });
      expect(verdicts.map(({ sequence }) => sequence).sort((a, b) => a - b)).toEqual(all);
    }
    // A number that was given never stands for another part, whatever came between.
    expect(historian.ambiguous).toEqual([]);
    expect(seen()).toBeGreaterThanOrEqual((killings / 2) * flowing);
    console.log(`${agents.length} agents, ${seen()} results, ${historian.deliveries} deliveries`);
  }, 300_000);
});
