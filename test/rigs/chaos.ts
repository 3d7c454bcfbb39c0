/** A plant with faults of all kinds, and the conditions that must be true after each. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Closer } from '../../agent/lifecycle/closer.ts';
import type { Result } from '../../agent/publish/messages.ts';
import { openPlant, type Plant, type PlantOptions } from './plant.ts';
import { openFiles, rssMb } from './process-usage.ts';
import { openShim, type Shim, shimMissing } from './shim.ts';
import { openSmallDisk, type SmallDisk, smallDiskMissing } from './small-disk.ts';
import { until } from './until.ts';
import { openValve, type Valve } from './valve.ts';

/** Resources of the agent's processes. */
export interface Vitals {
  readonly rssMb: number;
  /** Memory of the main process alone, MB. */
  readonly mainRssMb: number;
  readonly files: number;
  readonly processes: number;
}

export interface Sequences {
  /** The highest received number. */
  readonly newest: number;
  /** Lower numbers that the subscriber did not receive, in order. */
  readonly missing: readonly number[];
  /** Numbers received more than once (QoS 1). */
  readonly repeated: number;
}

export interface ChaosPlant extends AsyncDisposable {
  readonly plant: Plant;
  /** Between agent and broker. */
  readonly valve: Valve;
  /** The shim; undefined if it cannot be built here. */
  readonly shim: Shim | undefined;
  /** The disk of the agent's storage; undefined if none can be mounted here. */
  readonly disk: SmallDisk | undefined;
  vitals(): Vitals;
  readyz(): Promise<{ readonly status: number; readonly text: string }>;
  /** Waits until the agent has recovered: ready, inspecting, outbox empty, and parts are judged. */
  recovers(timeoutMs?: number): Promise<void>;
  /** Numbers received by the subscriber so far. */
  sequences(): Sequences;
}

export interface ChaosOptions extends Pick<PlantOptions, 'line' | 'camera' | 'storage'> {
  /** Size of the storage directory's disk, MB; default: the disk of this machine. */
  readonly diskMb?: number;
  /** Allows clock jumps and a slow disk. */
  readonly shimmed?: boolean;
  readonly everyMs?: number;
}

export async function openChaosPlant(options: ChaosOptions = {}): Promise<ChaosPlant> {
  await using opened = new Closer();
  const disk =
    options.diskMb !== undefined && !smallDiskMissing
      ? opened.use(await openSmallDisk(options.diskMb))
      : undefined;
  const shim = options.shimmed && !shimMissing ? opened.use(await openShim()) : undefined;
  let valve: Valve | undefined;
  const plant = opened.use(
    await openPlant({
      trigger: { kind: 'continuous', everyMs: options.everyMs ?? 250 },
      camera: { stallMs: 1_500, ...options.camera },
      ...(options.line && { line: options.line }),
      // A short keepalive, because only silence shows a half-open connection.
      mqtt: { keepaliveSeconds: 2 },
      storage: { ...(disk && { directory: disk.directory, minFreeMb: 5 }), ...options.storage },
      // As in the service and the container images: with one malloc arena per thread, memory grows for minutes.
      env: { MALLOC_ARENA_MAX: '2', ...shim?.env },
      async settings(_storage, settings) {
        const { mqtt } = settings;
        const { port, protocol } = new URL(mqtt.url);
        valve = opened.use(await openValve(Number(port)));
        return { mqtt: { ...mqtt, url: `${protocol}//127.0.0.1:${valve.port}` } };
      },
    }),
  );
  const all = opened.move();
  const seen = new Map<number, number>();
  let looked = 0;
  const look = () => {
    const heard = plant.probe.heard;
    for (; looked < heard.length; looked++) {
      const message = heard[looked]!;
      // Messages of other clients may not be JSON.
      if (message.topic !== `${plant.topic}/top/result`) continue;
      const { sequence } = message.json as Result;
      seen.set(sequence, (seen.get(sequence) ?? 0) + 1);
    }
  };
  const chaos: ChaosPlant = {
    plant,
    valve: valve!,
    shim,
    disk,
    vitals() {
      const pids = plant.agent.processes();
      return {
        rssMb: rssMb(pids),
        mainRssMb: rssMb([plant.agent.pid]),
        files: openFiles(pids),
        processes: pids.length,
      };
    },
    async readyz() {
      const answer = await fetch(`${plant.url}/readyz`, { signal: AbortSignal.timeout(5_000) });
      return { status: answer.status, text: await answer.text() };
    },
    async recovers(timeoutMs = 40_000) {
      let says = '';
      const refused = (error: Error) => {
        says = error.message;
        return false;
      };
      const isWell = async () => {
        const { status, text } = await chaos.readyz();
        const metrics = await plant.metrics();
        const waiting = metrics.value('qc_outbox_messages');
        says = `${text}, ${waiting} messages wait, ${JSON.stringify(plant.status)}`;
        // Two results may be in transit at any moment.
        return (
          status === 200 &&
          (waiting ?? 0) <= 8 &&
          metrics.value('qc_station_state', { state: 'inspecting' }) === 1
        );
      };
      try {
        await until(() => isWell().catch(refused), {
          timeoutMs,
          everyMs: 100,
        });
      } catch {
        throw new Error(`it did not recover within ${timeoutMs} ms: ${says}`);
      }
      const before = chaos.sequences().newest;
      await until(() => chaos.sequences().newest > before + 1, {
        timeoutMs: 20_000,
        what: 'parts to be judged again',
      });
    },
    sequences() {
      look();
      const newest = Math.max(0, ...seen.keys());
      const all = Array.from({ length: newest }, (_, index) => index + 1);
      return {
        newest,
        missing: all.filter((sequence) => !seen.has(sequence)),
        repeated: [...seen.values()].reduce((sum, times) => sum + times - 1, 0),
      };
    },
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
  await plant.ready();
  await chaos.recovers();
  return chaos;
}

/** Waits until every number up to the newest has arrived. */
export async function nothingIsMissing(chaos: ChaosPlant): Promise<void> {
  const { newest } = chaos.sequences();
  await until(() => chaos.sequences().missing.filter((sequence) => sequence <= newest).length === 0, {
    timeoutMs: 20_000,
    everyMs: 50,
    what: `every result up to ${newest}; missing are ${chaos.sequences().missing.slice(0, 20).join(', ')}`,
  });
}

/** A fault for some time; `end` restores the environment without any help to the agent. */
export interface Fault {
  readonly name: string;
  begin(chaos: ChaosPlant): Promise<unknown>;
  end(chaos: ChaosPlant): Promise<unknown>;
}

const nothing = async () => undefined;

export const faults = {
  cameraReset: { name: 'camera reset', begin: ({ plant }) => plant.line.disconnectAll(), end: nothing },
  cameraAway: {
    name: 'camera offline',
    begin: ({ plant }) => plant.line.stop(),
    end: ({ plant }) => plant.line.start(),
  },
  cameraStalls: {
    name: 'camera stalls',
    begin: ({ plant }) => plant.line.stall(true),
    end: ({ plant }) => plant.line.stall(false),
  },
  corruptFrames: {
    name: 'corrupted frames',
    begin: ({ plant }) => plant.line.corrupt(0.2),
    end: ({ plant }) => plant.line.corrupt(0),
  },
  brokerAway: {
    name: 'broker offline',
    begin: ({ plant }) => plant.broker.die(),
    end: ({ plant }) => plant.brokerComesBack(),
  },
  halfOpen: {
    name: 'half-open connection',
    begin: async ({ valve }) => valve.shut(),
    end: async ({ valve }) => valve.open(),
  },
  stopped: {
    name: 'SIGSTOP',
    begin: async ({ plant }) => plant.agent.kill('SIGSTOP'),
    end: async ({ plant }) => plant.agent.kill('SIGCONT'),
  },
  diskFull: {
    name: 'disk full',
    begin: async ({ disk }) => disk?.fill(0),
    end: async ({ disk }) => disk?.clear(),
  },
  slowDisk: {
    name: 'slow disk',
    begin: async ({ shim }) => shim?.fsync(300),
    end: async ({ shim }) => shim?.fsync(0),
  },
  clockJump: {
    name: 'clock jump',
    begin: async ({ shim }) => shim?.clock(3_600_000),
    end: async ({ shim }) => shim?.clock(0),
  },
} satisfies Record<string, Fault>;

/** Applies a fault for this time. */
export async function strike(chaos: ChaosPlant, fault: Fault, ms: number): Promise<void> {
  await fault.begin(chaos);
  try {
    await sleep(ms);
  } finally {
    await fault.end(chaos);
  }
}
