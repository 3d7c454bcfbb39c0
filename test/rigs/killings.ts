/** An agent and a broker that are killed at random moments, and the conditions that must be true afterwards. */
import { mkdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Closer } from '../../agent/lifecycle/closer.ts';
import { openDisk } from '../../agent/publish/outbox/disk.ts';
import type { Random } from '../../calibration/train/random.ts';
import { fastAgent, fastBase, fastCameras } from './fast-agent.ts';
import { freePort } from './free-port.ts';
import { type Historian, openHistorian } from './historian.ts';
import { startMosquitto } from './mosquitto.ts';
import type { AgentProcess } from './plant-agent.ts';
import { scrape } from './plant-metrics.ts';
import { openShim, type Shim } from './shim.ts';
import { until } from './until.ts';

export interface Killings extends AsyncDisposable {
  readonly historian: Historian;
  /** Kinds of events; each kills something at least once. */
  readonly kinds: readonly string[];
  /** So far. */
  readonly killed: { readonly agents: number; readonly brokers: number };
  happens(kind: string): Promise<void>;
  /** Waits for this number of further results. */
  flows(results: number): Promise<void>;
  /** Number of received results, each counted once. */
  readonly results: number;
  /** Waits until everything is sent, and stops the agent. @throws if the agent does not end with code 0 */
  finish(): Promise<Outcome>;
}

export interface Outcome {
  /** Newest number in the store, by camera. */
  readonly newest: ReadonlyMap<string, number>;
  /** Number of messages that wait in the store, and that it dropped. */
  readonly waiting: number;
  readonly dropped: number;
}

export interface KillingsOptions {
  readonly folder: string;
  readonly random: Random;
  /** Interval between the parts of each camera, ms. */
  readonly everyMs?: number;
  /** Adds events in which the store fails (shim.c). */
  readonly shimmed?: boolean;
}

export async function openKillings({
  folder,
  random,
  everyMs = 10,
  shimmed = false,
}: KillingsOptions): Promise<Killings> {
  await using opened = new Closer();
  const persistence = join(folder, 'broker');
  await mkdir(persistence);
  const port = await freePort();
  const startBroker = () => startMosquitto({ port, persistence });
  let broker = await startBroker();
  opened.defer(() => broker[Symbol.asyncDispose]());
  const historian = opened.use(await openHistorian(broker.url, fastBase));
  const shim: Shim | undefined = shimmed ? opened.use(await openShim()) : undefined;
  const start = await fastAgent(folder, broker.url, everyMs, shim?.env);
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
  const killed = { agents: 0, brokers: 0 };

  const killAgent = async () => {
    killed.agents++;
    agent.kill('SIGKILL');
    await agent.exited;
  };
  const killBroker = async () => {
    killed.brokers++;
    await broker.kill();
  };
  // mosquitto saves only at intervals, so that acknowledged messages may be lost with it. This is not under test: the agent
  // sends nothing while the subscriber is disconnected.
  const brokerBack = async () => {
    broker = await startBroker();
    await until(() => historian.connected, { timeoutMs: 20_000, what: 'the subscriber to be back' });
  };
  const upTo = (most: number) => random.next() * most;
  const events: Record<string, () => Promise<void>> = {
    async agent() {
      await killAgent();
      agent = startOne();
    },
    async broker() {
      await killBroker();
      await sleep(upTo(1_500));
      agent.kill('SIGSTOP');
      await brokerBack();
      agent.kill('SIGCONT');
    },
    async both() {
      await Promise.all([killAgent(), killBroker()]);
      await brokerBack();
      agent = startOne();
    },
    async agentWithoutBroker() {
      await killBroker();
      await sleep(upTo(800));
      await killAgent();
      agent = startOne();
      await sleep(upTo(2_500));
      await killAgent();
      await brokerBack();
      agent = startOne();
    },
    ...(shim && {
      async agentWhileStoreFails() {
        await shim.fail({ errno: constants.errno.EIO, path: 'data.mdb' });
        await sleep(upTo(3_000));
        await killAgent();
        await shim.fail(undefined);
        agent = startOne();
      },
      async agentAfterOneFailure() {
        await shim.fail({ errno: constants.errno.EIO, path: '/outbox/', times: 1 });
        await sleep(upTo(2_000));
        await killAgent();
        await shim.fail(undefined);
        agent = startOne();
      },
    }),
  };
  const all = opened.move();
  const seen = () =>
    fastCameras.reduce((sum, camera) => sum + (historian.results.get(camera)?.length ?? 0), 0);
  return {
    historian,
    kinds: Object.keys(events),
    killed,
    happens: (kind) => events[kind]!(),
    async flows(results) {
      const before = seen();
      await until(() => seen() >= before + results, { timeoutMs: 60_000, what: 'results to flow' });
    },
    get results() {
      return seen();
    },
    async finish() {
      const url = String((await agent.logs('page, API and metrics are served')).url);
      await until(
        async () => {
          const metrics = await scrape(url);
          return metrics.value('qc_mqtt_connected') === 1 && metrics.value('qc_outbox_messages')! < 20;
        },
        { timeoutMs: 60_000, everyMs: 100, what: 'the backlog to be sent' },
      );
      const { code } = await agent.stop('SIGTERM');
      if (code !== 0) throw new Error(`the agent ended with code ${code}`);
      const disk = openDisk(join(folder, 'storage', 'outbox'), { readOnly: true });
      const { sequences, queues } = disk.found();
      await disk.close();
      const sum = (of: 'messages' | 'dropped') =>
        [...queues.values()].reduce((sum, queue) => sum + queue[of], 0);
      for (const camera of fastCameras) {
        for (const came of [historian.results, historian.verdicts]) {
          const newest = sequences.get(camera)!;
          await until(() => came.get(camera)!.some(({ sequence }) => sequence === newest), {
            timeoutMs: 20_000,
            what: `message ${newest} of ${camera}`,
          });
        }
      }
      return { newest: sequences, waiting: sum('messages'), dropped: sum('dropped') };
    },
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
}

/** Smallest gap that the agent leaves where the newest number was uncertain; docs/outbox.md. */
const minGap = 5_000;

/** Numbers between the first and the newest that never arrived; those in such a gap are listed separately. */
export function gapsIn(
  came: readonly { readonly sequence: number }[],
  newest: number,
): { readonly missing: number; readonly gaps: number } {
  let [missing, gaps, before] = [0, 0, 0];
  for (const sequence of [...came.map(({ sequence }) => sequence), newest + 1].sort((a, b) => a - b)) {
    const skipped = sequence - before - 1;
    if (skipped >= minGap) gaps++;
    else missing += Math.max(0, skipped);
    before = sequence;
  }
  return { missing, gaps };
}
