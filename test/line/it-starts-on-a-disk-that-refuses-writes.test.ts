import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Closer } from '../../agent/lifecycle/closer.ts';
import { fastAgent, fastBase } from '../rigs/fast-agent.ts';
import { openHistorian } from '../rigs/historian.ts';
import type { AgentProcess } from '../rigs/plant-agent.ts';
import { startBroker } from '../rigs/plant-broker.ts';
import { openSmallDisk, type SmallDisk, smallDiskMissing } from '../rigs/small-disk.ts';
import { until } from '../rigs/until.ts';

interface Trouble {
  begin(disk: SmallDisk): Promise<void>;
  end(disk: SmallDisk): Promise<void>;
}

const troubles: Record<string, Trouble> = {
  full: { begin: (disk) => disk.fill(0), end: (disk) => disk.clear() },
  'read-only': { begin: (disk) => disk.readOnly(true), end: (disk) => disk.readOnly(false) },
};

describe('it starts on a disk that refuses writes', () => {
  for (const [name, trouble] of Object.entries(troubles)) {
    it(`${name}: it inspects, reports the fault, leaves nothing behind, and recovers automatically`, async (context) => {
      if (smallDiskMissing) return context.skip(smallDiskMissing);
      await using opened = new Closer();
      const folder = await mkdtemp(join(tmpdir(), 'qc-no-disk-'));
      opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
      const disk = opened.use(await openSmallDisk(64));
      await symlink(disk.directory, join(folder, 'storage'));
      const broker = opened.use(await startBroker('aedes'));
      const historian = opened.use(await openHistorian(broker.url, fastBase));
      const start = await fastAgent(folder, broker.url, 50);
      const results = () => historian.results.get('top')?.length ?? 0;
      const outbox = async (agent: AgentProcess) => {
        const url = String((await agent.logs('page, API and metrics are served')).url);
        const { checks } = (await (await fetch(`${url}/readyz`)).json()) as {
          checks: { name: string; ready: boolean; reason: string }[];
        };
        return checks.find((check) => check.name === 'outbox')!;
      };
      const inspects = async () => {
        const before = results();
        await until(() => results() > before + 10, { timeoutMs: 30_000, what: 'results to come' });
      };

      await trouble.begin(disk);
      const left: string[][] = [];
      // Twice: failed attempts must not leave files, and no number may be used again.
      for (let attempt = 0; attempt < 2; attempt++) {
        const agent = opened.use(start());
        await inspects();
        const check = await outbox(agent);
        expect(check).toMatchObject({
          ready: false,
          reason: expect.stringContaining('results cannot be written to the disk'),
        });
        expect(agent.stderr).not.toMatch(/^\s+at /m);
        expect(agent.logLines.some(({ msg }) => /storage: .* cannot be used/.test(msg))).toBe(true);
        agent.kill('SIGKILL');
        await agent.exited;
        // A retry, every few seconds, may have just begun.
        const names = await readdir(disk.directory, { recursive: true });
        left.push(names.filter((one) => !/^agent\.lock$|\.draft$/.test(one)).sort());
      }
      // Empty files may fit on a full disk, but each only once.
      expect(left[1]).toEqual(left[0]);
      const agent = opened.use(start());
      await inspects();
      await trouble.end(disk);
      await until(async () => (await outbox(agent)).ready, {
        timeoutMs: 30_000,
        what: 'the disk to be used',
      });
      await inspects();
      expect(await readdir(disk.directory)).toEqual(
        expect.arrayContaining(['agent.lock', 'outbox', 'version']),
      );
      agent.kill('SIGKILL');
      await agent.exited;
      const last = opened.use(start());
      await inspects();
      expect((await outbox(last)).ready).toBe(true);
      expect((await last.stop()).code).toBe(0);
      expect(historian.ambiguous).toEqual([]);
    }, 120_000);
  }
});
