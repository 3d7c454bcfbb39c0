import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Closer } from '../../agent/lifecycle/closer.ts';
import { openDisk } from '../../agent/publish/outbox/disk.ts';
import { fastAgent, fastBase, fastCameras } from '../rigs/fast-agent.ts';
import { fileLimitMissing, limitFiles } from '../rigs/file-limit.ts';
import { openHistorian } from '../rigs/historian.ts';
import { startBroker } from '../rigs/plant-broker.ts';
import { scrape } from '../rigs/plant-metrics.ts';
import { until } from '../rigs/until.ts';

describe('a full disk loses no result', () => {
  it('continues to inspect, reports the full disk, and writes all results when there is space', async (context) => {
    if (fileLimitMissing) return context.skip(fileLimitMissing);
    await using opened = new Closer();
    const folder = await mkdtemp(join(tmpdir(), 'qc-full-'));
    opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const broker = opened.use(await startBroker('aedes'));
    const start = await fastAgent(folder, broker.url, 50);
    const agent = opened.use(start());
    const url = String((await agent.logs('page, API and metrics are served')).url);
    const outboxCheck = async () => {
      const { checks } = (await (await fetch(`${url}/readyz`)).json()) as {
        checks: { name: string; ready: boolean; reason: string }[];
      };
      return checks.find(({ name }) => name === 'outbox')!;
    };
    const waiting = async () => (await scrape(url)).value('qc_outbox_messages') ?? 0;
    await until(async () => (await fetch(`${url}/readyz`)).ok, {
      timeoutMs: 30_000,
      everyMs: 50,
      what: 'the agent to be ready',
    });

    // The backlog would let the file grow, which is forbidden.
    await broker.die();
    await until(async () => (await waiting()) > 50, { everyMs: 50, what: 'a backlog' });
    limitFiles(agent.pid, (await stat(join(folder, 'storage', 'outbox', 'data.mdb'))).size);
    const check = await until(
      async () => {
        const now = await outboxCheck();
        return now.ready ? undefined : now;
      },
      { everyMs: 50, what: 'the outbox to report that writes fail' },
    );
    expect(check.reason).toContain('results cannot be written to the disk');
    const before = await waiting();
    await until(async () => (await waiting()) > before + 100, {
      everyMs: 50,
      what: 'inspection to continue',
    });

    limitFiles(agent.pid, 'unlimited');
    await until(async () => (await outboxCheck()).ready, { everyMs: 50, what: 'the disk to be used again' });
    // Everything is on the disk now: a kill loses nothing.
    agent.kill('SIGKILL');
    await agent.exited;
    const again = opened.use(start());
    const newUrl = String((await again.logs('page, API and metrics are served')).url);
    await broker.comeBack();
    const historian = opened.use(await openHistorian(broker.url, fastBase));
    await until(async () => (await scrape(newUrl)).value('qc_outbox_messages') === 0, {
      timeoutMs: 30_000,
      everyMs: 50,
      what: 'everything to be sent',
    });
    expect((await again.stop()).code).toBe(0);
    const disk = openDisk(join(folder, 'storage', 'outbox'), { readOnly: true });
    opened.defer(() => disk.close());
    for (const camera of fastCameras) {
      const newest = disk.found().sequences.get(camera)!;
      const got = historian.results.get(camera)!.map(({ sequence }) => sequence);
      const first = got[0]!;
      expect(got).toEqual(Array.from({ length: newest - first + 1 }, (_, index) => first + index));
    }
  });
});
